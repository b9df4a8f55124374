using System.Text.Json;
using AiOs.Models.Formats;
using AiOs.Runtime;

namespace AiOs.Models.Tokenizers;

/// <summary>The tokenizer files of a model directory.</summary>
public static class TokenizerFiles
{
    /// <summary>The file that names the kind of tokenizer, as Hugging Face models have it.</summary>
    public const string ConfigName = "tokenizer_config.json";

    private const int MaxConfigBytes = 1 << 20;

    /// <summary>
    /// Loads the tokenizer of a model directory: GPT-2's when it has `vocab.json` and `merges.txt`, the byte tokenizer
    /// when `tokenizer_config.json` names it, null when the directory says nothing.
    /// </summary>
    /// <exception cref="InvalidFileException">A file is there but cannot be used.</exception>
    public static ITokenizer? TryLoad(string directory)
    {
        string vocabulary = Path.Combine(directory, Gpt2Tokenizer.VocabularyName);
        string merges = Path.Combine(directory, Gpt2Tokenizer.MergesName);
        if (File.Exists(vocabulary) || File.Exists(merges))
        {
            return Gpt2Tokenizer.Load(vocabulary, merges);
        }

        string config = Path.Combine(directory, ConfigName);
        return File.Exists(config) && ReadClassName(config) == ByteTokenizer.ClassName ? new ByteTokenizer() : null;
    }

    /// <summary>The text of `tokenizer_config.json` for a kind of tokenizer.</summary>
    internal static string Config(string className) => $"{{\"tokenizer_class\": \"{className}\"}}\n";

    /// <summary>Reads a whole file that may not be longer than <paramref name="limit"/> bytes.</summary>
    internal static byte[] ReadAll(string path, int limit)
    {
        try
        {
            long length = FileAccessErrors.LengthOfReadable(path);
            return length <= limit
                ? File.ReadAllBytes(path)
                : throw new InvalidFileException(path, $"{length} bytes are more than the {limit} this kind of file may have", "check the path");
        }
        catch (Exception e) when (FileAccessErrors.IsExpected(e))
        {
            throw FileAccessErrors.CannotRead(path, e);
        }
    }

    private static string? ReadClassName(string path)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(ReadAll(path, MaxConfigBytes));
            return json.RootElement.ValueKind == JsonValueKind.Object &&
                json.RootElement.TryGetProperty("tokenizer_class", out JsonElement name) &&
                name.ValueKind == JsonValueKind.String ? name.GetString() : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidFileException(path, "not valid JSON", "restore or remove the file");
        }
    }
}

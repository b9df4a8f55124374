using System.Text.Json;
using AiOs.Models.Formats;
using AiOs.Runtime;

namespace AiOs.Models.Tokenizers;

/// <summary>Reads and validates `vocab.json` and `merges.txt`.</summary>
internal static class Gpt2VocabularyReader
{
    private const int MaxFileBytes = 64 << 20;
    private const string Fix = "use the vocab.json and merges.txt of one model, unchanged";

    /// <summary>Reads the ids: a JSON object from symbol to id, ids unique and without gaps from 0.</summary>
    public static Dictionary<string, int> ReadVocabulary(byte[] json, string path)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        try
        {
            var reader = new Utf8JsonReader(json);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                throw new InvalidFileException(path, "not a JSON object of symbols and ids", Fix);
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string symbol = reader.GetString()!;
                reader.Read();
                if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out int id) || id < 0)
                {
                    throw new InvalidFileException(path, $"symbol {PrintableText.Quote(symbol)} has no valid id", Fix);
                }

                if (!ids.TryAdd(symbol, id))
                {
                    throw new InvalidFileException(path, $"symbol {PrintableText.Quote(symbol)} appears twice", Fix);
                }
            }

            reader.Read();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidFileException(path, "not valid JSON", Fix);
        }

        CheckIds(ids, path);
        return ids;
    }

    /// <summary>Reads the merges: one pair of symbols a line, best first.</summary>
    public static Dictionary<(int Left, int Right), (int Rank, int Merged)> ReadMerges(
        byte[] text, string path, Dictionary<string, int> ids)
    {
        var merges = new Dictionary<(int, int), (int, int)>();
        using var reader = new StreamReader(new MemoryStream(text));
        int number = 0;
        while (reader.ReadLine() is string line)
        {
            number++;
            if (line.Length == 0 || (number == 1 && line.StartsWith("#version", StringComparison.Ordinal)))
            {
                continue;
            }

            int space = line.IndexOf(' ', StringComparison.Ordinal);
            if (space <= 0 || space == line.Length - 1 || line.IndexOf(' ', space + 1) >= 0)
            {
                throw new InvalidFileException(path, $"line {number} is not two symbols with a space between", Fix);
            }

            string left = line[..space], right = line[(space + 1)..];
            if (!ids.TryGetValue(left, out int a) || !ids.TryGetValue(right, out int b) ||
                !ids.TryGetValue(left + right, out int merged))
            {
                throw new InvalidFileException(
                    path, $"line {number} merges {PrintableText.Quote(left)} and {PrintableText.Quote(right)}, which the vocabulary does not have", Fix);
            }

            // Should a pair stand there twice, its better rank counts.
            merges.TryAdd((a, b), (merges.Count, merged));
        }

        return merges;
    }

    /// <summary>Reads one of the two files.</summary>
    public static byte[] ReadFile(string path) => TokenizerFiles.ReadAll(path, MaxFileBytes);

    private static void CheckIds(Dictionary<string, int> ids, string path)
    {
        var seen = new bool[ids.Count];
        foreach ((string symbol, int id) in ids)
        {
            if (id >= seen.Length || seen[id])
            {
                throw new InvalidFileException(
                    path, $"symbol {PrintableText.Quote(symbol)} has id {id}, but {ids.Count} ids must be 0 to {ids.Count - 1}, each once", Fix);
            }

            seen[id] = true;
        }

        for (int b = 0; b < 256; b++)
        {
            if (!ids.ContainsKey(Gpt2Symbols.FromByte((byte)b).ToString()))
            {
                throw new InvalidFileException(path, $"the symbol of byte {b} is missing", Fix);
            }
        }
    }
}

using AiOs.Models.Formats;
using AiOs.Models.Tokenizers;
using AiOs.Runtime;

namespace AiOs.Training.Data;

/// <summary>Text turned into tokens that stay in memory.</summary>
public static class TextData
{
    /// <summary>
    /// Reads files in the order given. Where the tokenizer has an end-of-text token, it follows each file but the last;
    /// the byte tokenizer has none and the files simply follow each other.
    /// </summary>
    /// <exception cref="AiOsException">A file cannot be read, all are empty, or the vocabulary does not fit.</exception>
    public static TokenArray FromFiles(IReadOnlyList<string> paths, ITokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(paths);
        var texts = new List<byte[]>(paths.Count);
        foreach (string path in paths)
        {
            try
            {
                _ = FileAccessErrors.LengthOfReadable(path);
                texts.Add(File.ReadAllBytes(path));
            }
            catch (Exception e) when (FileAccessErrors.IsExpected(e))
            {
                throw FileAccessErrors.CannotRead(path, e);
            }
        }

        return FromBytes(paths.Count == 1 ? paths[0] : $"{paths.Count} files of text", texts, tokenizer);
    }

    /// <summary>Turns pieces of UTF-8 text into tokens, as <see cref="FromFiles"/> does with those of files.</summary>
    /// <exception cref="AiOsException">There is no text, or the vocabulary does not fit.</exception>
    public static TokenArray FromBytes(string name, IReadOnlyList<byte[]> texts, ITokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(tokenizer);
        TokenFile.RequireVocabulary(tokenizer.VocabularySize);
        var tokens = new List<ushort>();
        var ids = new List<int>();
        for (int i = 0; i < texts.Count; i++)
        {
            ids.Clear();
            tokenizer.Encode(texts[i], ids);
            if (i + 1 < texts.Count && tokenizer.EndOfText is int separator)
            {
                ids.Add(separator);
            }

            tokens.EnsureCapacity(tokens.Count + ids.Count);
            foreach (int id in ids)
            {
                tokens.Add((ushort)id);
            }
        }

        return texts.Any(t => t.Length > 0)
            ? new TokenArray(name, tokens.ToArray())
            : throw new AiOsException($"{name}: there is no text in it; give files that are not empty");
    }
}

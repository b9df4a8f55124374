using System.Text;
using System.Text.Json;

namespace AiOs.Models.Tests;

/// <summary>A small vocabulary in GPT-2's form: 256 byte symbols, a few merges and the special token.</summary>
internal static class TinyVocabulary
{
    /// <summary>Merged symbols in rank order; "Ġ" is how the files write a space.</summary>
    private static readonly string[][] Pairs =
    [
        ["h", "e"], ["l", "l"], ["he", "ll"], ["hell", "o"], ["Ġ", "w"], ["o", "r"], ["Ġw", "or"], ["'", "s"], ["Ġ", "Ġ"], ["a", "a"], ["aa", "a"],
    ];

    public static string Merges { get; } =
        "#version: 0.2\n" + string.Concat(Pairs.Select(p => $"{p[0]} {p[1]}\n"));

    public static string Json { get; } = MakeJson();

    /// <summary>The id of a merged symbol.</summary>
    public static int Merged(string symbol) => 256 + Array.FindIndex(Pairs, p => p[0] + p[1] == symbol);

    /// <summary>The id of <c>&lt;|endoftext|&gt;</c>.</summary>
    public static int EndOfText => 256 + Pairs.Length;

    private static string MakeJson()
    {
        // Byte symbols as the published encoder lists them: three printable ranges first, then the rest from U+0100 on.
        // Here the id of each byte symbol is the byte, unlike in GPT-2's own file, so that tests can be read.
        var symbols = new string[256];
        int next = 0;
        for (int b = 0; b < 256; b++)
        {
            bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
            symbols[b] = ((char)(printable ? b : 256 + next++)).ToString();
        }

        var json = new StringBuilder("{");
        int id = 0;
        foreach (string symbol in symbols.Concat(Pairs.Select(p => p[0] + p[1])).Append("<|endoftext|>"))
        {
            json.Append(id == 0 ? string.Empty : ", ").Append(JsonSerializer.Serialize(symbol)).Append(": ").Append(id++);
        }

        return json.Append('}').ToString();
    }
}

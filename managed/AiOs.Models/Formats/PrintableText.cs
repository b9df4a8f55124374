using System.Globalization;
using System.Text;

namespace AiOs.Models.Formats;

/// <summary>Makes text from files fit for one line of a message: a name read from a file may hold anything.</summary>
public static class PrintableText
{
    private const int Longest = 80;

    /// <summary>
    /// Puts <paramref name="text"/> in single quotes, with control characters escaped, and cut after 80 characters.
    /// </summary>
    public static string Quote(ReadOnlySpan<char> text)
    {
        var result = new StringBuilder("'");
        foreach (char c in text[..Math.Min(text.Length, Longest)])
        {
            bool plain = !char.IsControl(c) && !char.IsSurrogate(c) && c is not ('\u2028' or '\u2029');
            _ = plain ? result.Append(c) : result.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
        }

        return result.Append(text.Length > Longest ? "…'" : "'").ToString();
    }
}

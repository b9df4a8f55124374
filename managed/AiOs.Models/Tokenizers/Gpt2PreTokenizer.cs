using System.Buffers;
using System.Globalization;
using System.Text;

namespace AiOs.Models.Tokenizers;

/// <summary>
/// Cuts text into the pieces that byte-pair merges never cross: the expression of GPT-2's encoder,
/// <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>.
/// It is written as a scanner over UTF-8 because .NET's expressions see UTF-16 units, to which letters outside the
/// basic plane are no letters. Bytes that are not UTF-8 count as symbols, so that no byte is lost.
/// </summary>
internal static class Gpt2PreTokenizer
{
    private enum Kind
    {
        Space,
        Letter,
        Number,
        Symbol,
    }

    /// <summary>Length in bytes of the piece at the start of <paramref name="text"/>, which is not empty.</summary>
    public static int PieceLength(ReadOnlySpan<byte> text)
    {
        int contraction = ContractionLength(text);
        if (contraction > 0)
        {
            return contraction;
        }

        Kind first = KindAt(text, out int firstLength);
        int start = 0;
        if (text[0] == (byte)' ' && text.Length > 1)
        {
            Kind second = KindAt(text[1..], out _);
            if (second != Kind.Space)
            {
                (first, start) = (second, 1);
            }
        }

        int end = start, last = 0;
        while (end < text.Length && KindAt(text[end..], out int length) == first)
        {
            (end, last) = (end + length, length);
        }

        // White space before a word leaves its last character to the word, unless it is all there is.
        return first == Kind.Space && end < text.Length && end > firstLength ? end - last : end;
    }

    private static int ContractionLength(ReadOnlySpan<byte> text)
    {
        if (text[0] != (byte)'\'' || text.Length < 2)
        {
            return 0;
        }

        if (text[1] is (byte)'s' or (byte)'t' or (byte)'m' or (byte)'d')
        {
            return 2;
        }

        ReadOnlySpan<byte> two = text[1..Math.Min(3, text.Length)];
        return two.SequenceEqual("re"u8) || two.SequenceEqual("ve"u8) || two.SequenceEqual("ll"u8) ? 3 : 0;
    }

    private static Kind KindAt(ReadOnlySpan<byte> text, out int length)
    {
        if (Rune.DecodeFromUtf8(text, out Rune rune, out length) != OperationStatus.Done)
        {
            return Kind.Symbol;
        }

        if (Rune.IsWhiteSpace(rune))
        {
            return Kind.Space;
        }

        return Rune.GetUnicodeCategory(rune) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter or
                UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Kind.Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber =>
                Kind.Number,
            _ => Kind.Symbol,
        };
    }
}

using System.Text;
using AiOs.Models.Tokenizers;

namespace AiOs.Cli.Corpus;

/// <summary>
/// Turns generated tokens into text as they come: a character whose bytes are not all there yet waits for the next
/// token. What cannot be shown (bytes that are no UTF-8, control characters, ids without bytes) becomes U+FFFD.
/// </summary>
internal sealed class TokenText(ITokenizer tokenizer)
{
    private const char Unreadable = '\uFFFD';
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private char[] _characters = new char[16];

    /// <summary>The text that a token completes; may be empty.</summary>
    public string Next(int token)
    {
        if (token >= tokenizer.VocabularySize)
        {
            return Finish() + Unreadable;
        }

        return Decode(tokenizer.TokenBytes(token), flush: false);
    }

    /// <summary>What is left of a character that never became whole.</summary>
    public string Finish() => Decode([], flush: true);

    private string Decode(ReadOnlySpan<byte> bytes, bool flush)
    {
        int count = _decoder.GetCharCount(bytes, flush);
        if (count > _characters.Length)
        {
            _characters = new char[count * 2];
        }

        Span<char> text = _characters.AsSpan(0, _decoder.GetChars(bytes, _characters, flush));
        foreach (ref char character in text)
        {
            if (char.IsControl(character) && character is not ('\n' or '\t'))
            {
                character = Unreadable;
            }
        }

        return text.ToString();
    }
}

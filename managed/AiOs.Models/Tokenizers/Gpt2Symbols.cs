using System.Collections.Frozen;

namespace AiOs.Models.Tokenizers;

/// <summary>
/// The one-to-one map between bytes and printable characters in which GPT-2's vocabulary is written: printable Latin-1
/// characters stand for themselves, the other 68 bytes for U+0100 on, in ascending order.
/// </summary>
internal static class Gpt2Symbols
{
    private static readonly char[] CharOf = MakeMap();

    private static readonly FrozenDictionary<char, byte> ByteOf =
        CharOf.Select((c, b) => (c, b)).ToFrozenDictionary(x => x.c, x => (byte)x.b);

    /// <summary>The character that stands for a byte.</summary>
    public static char FromByte(byte value) => CharOf[value];

    /// <summary>The bytes of a vocabulary entry; null when it has a character that stands for no byte.</summary>
    public static byte[]? ToBytes(ReadOnlySpan<char> symbol)
    {
        var bytes = new byte[symbol.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            if (!ByteOf.TryGetValue(symbol[i], out bytes[i]))
            {
                return null;
            }
        }

        return bytes;
    }

    private static char[] MakeMap()
    {
        var map = new char[256];
        int next = 256;
        for (int b = 0; b < 256; b++)
        {
            bool printable = b is (>= '!' and <= '~') or (>= 0xa1 and <= 0xac) or (>= 0xae and <= 0xff);
            map[b] = (char)(printable ? b : next++);
        }

        return map;
    }
}

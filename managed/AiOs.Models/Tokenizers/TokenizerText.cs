using System.Text;

namespace AiOs.Models.Tokenizers;

/// <summary>Strings in and out of any tokenizer.</summary>
public static class TokenizerText
{
    /// <summary>The ids of a text. A surrogate without its partner becomes U+FFFD, for it has no UTF-8 form.</summary>
    public static int[] Encode(this ITokenizer tokenizer, string text)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        var ids = new List<int>();
        tokenizer.Encode(Encoding.UTF8.GetBytes(text), ids);
        return [.. ids];
    }

    /// <summary>The bytes of a sequence of ids.</summary>
    public static byte[] DecodeBytes(this ITokenizer tokenizer, ReadOnlySpan<int> ids)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        using var bytes = new MemoryStream();
        foreach (int id in ids)
        {
            bytes.Write(tokenizer.TokenBytes(id));
        }

        return bytes.ToArray();
    }

    /// <summary>The text of a sequence of ids; bytes that are not UTF-8 become U+FFFD.</summary>
    public static string Decode(this ITokenizer tokenizer, ReadOnlySpan<int> ids) =>
        Encoding.UTF8.GetString(tokenizer.DecodeBytes(ids));
}

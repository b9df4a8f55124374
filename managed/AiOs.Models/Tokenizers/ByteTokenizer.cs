using System.Text;

namespace AiOs.Models.Tokenizers;

/// <summary>One token per byte of the UTF-8 text: ids 0 to 255, no vocabulary file.</summary>
public sealed class ByteTokenizer : ITokenizer
{
    /// <summary>Value of "tokenizer_class" in the file that <see cref="Save"/> writes.</summary>
    internal const string ClassName = "ByteTokenizer";

    private static readonly byte[] Bytes = [.. Enumerable.Range(0, 256).Select(i => (byte)i)];

    /// <inheritdoc/>
    public int VocabularySize => 256;

    /// <inheritdoc/>
    public int? EndOfText => null;

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<byte> utf8, List<int> ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        ids.EnsureCapacity(ids.Count + utf8.Length);
        foreach (byte b in utf8)
        {
            ids.Add(b);
        }
    }

    /// <inheritdoc/>
    public ReadOnlySpan<byte> TokenBytes(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(id, 255);
        return Bytes.AsSpan(id, 1);
    }

    /// <inheritdoc/>
    public void Save(Action<string, Action<Stream>> create)
    {
        ArgumentNullException.ThrowIfNull(create);
        create(TokenizerFiles.ConfigName, s => s.Write(Encoding.UTF8.GetBytes(TokenizerFiles.Config(ClassName))));
    }
}

namespace AiOs.Training.Data;

/// <summary>Tokens in memory, 16 bits each.</summary>
public sealed class TokenArray : ITokenSource
{
    private readonly ReadOnlyMemory<ushort> _tokens;

    /// <summary>Makes a source of tokens that are in memory already; they are not copied.</summary>
    /// <param name="name">What messages call it.</param>
    /// <param name="tokens">The tokens.</param>
    public TokenArray(string name, ReadOnlyMemory<ushort> tokens) => (Name, _tokens) = (name, tokens);

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public long Length => _tokens.Length;

    /// <inheritdoc/>
    public void Read(long start, Span<int> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, Length - destination.Length);
        Widen(_tokens.Span.Slice((int)start, destination.Length), destination);
    }

    internal static void Widen(ReadOnlySpan<ushort> tokens, Span<int> destination)
    {
        for (int i = 0; i < tokens.Length; i++)
        {
            destination[i] = tokens[i];
        }
    }
}

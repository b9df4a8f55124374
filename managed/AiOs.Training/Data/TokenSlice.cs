using AiOs.Runtime;

namespace AiOs.Training.Data;

/// <summary>A part of a source of tokens.</summary>
public sealed class TokenSlice : ITokenSource
{
    private readonly ITokenSource _source;
    private readonly long _start;

    /// <summary>Views <paramref name="length"/> tokens of a source from <paramref name="start"/> on.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The part is not inside the source.</exception>
    public TokenSlice(ITokenSource source, long start, long length)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, source.Length - start);
        (_source, _start, Length) = (source, start, length);
    }

    /// <inheritdoc/>
    public string Name => _source.Name;

    /// <inheritdoc/>
    public long Length { get; }

    /// <summary>
    /// Splits a source in two: the last <paramref name="validationFraction"/> of the tokens are for validation, which
    /// never sees a token that training does.
    /// </summary>
    /// <param name="source">The whole.</param>
    /// <param name="block">Tokens of a window; each part must have room for one window and its last target.</param>
    /// <param name="validationFraction">Between 0 and 1; 0.1 by default.</param>
    /// <exception cref="AiOsException">A part is too small for one window.</exception>
    public static (TokenSlice Train, TokenSlice Validation) Split(
        ITokenSource source, int block, double validationFraction = 0.1)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(validationFraction, 0.0);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(validationFraction, 1.0);
        long validation = (long)(source.Length * validationFraction);
        if (Math.Min(validation, source.Length - validation) < block + 1L)
        {
            long needed = (long)Math.Ceiling((block + 1) / Math.Min(validationFraction, 1 - validationFraction));
            throw new AiOsException(
                $"{source.Name}: {source.Length} tokens leave {validation} for validation, fewer than one window of {block} + 1; " +
                $"give at least {needed} tokens or a smaller --block");
        }

        long train = source.Length - validation;
        return (new TokenSlice(source, 0, train), new TokenSlice(source, train, validation));
    }

    /// <inheritdoc/>
    public void Read(long start, Span<int> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, Length - destination.Length);
        _source.Read(_start + start, destination);
    }
}

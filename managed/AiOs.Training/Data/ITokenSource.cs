namespace AiOs.Training.Data;

/// <summary>A sequence of tokens that can be read from any place. Safe to read from many threads.</summary>
public interface ITokenSource
{
    /// <summary>What messages call it: a path or a short description.</summary>
    string Name { get; }

    /// <summary>Number of tokens.</summary>
    long Length { get; }

    /// <summary>Reads tokens from position <paramref name="start"/> on.</summary>
    /// <param name="start">Position of the first token.</param>
    /// <param name="destination">Receives its own length of tokens, all of which must lie inside the source.</param>
    void Read(long start, Span<int> destination);
}

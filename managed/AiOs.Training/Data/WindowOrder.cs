using AiOs.Runtime;

namespace AiOs.Training.Data;

/// <summary>In which order the windows of the data are trained on.</summary>
public enum DataOrder
{
    /// <summary>Every epoch in another pseudo-random order that depends on the seed.</summary>
    Shuffle,

    /// <summary>From the first window to the last, again and again.</summary>
    Sequential,
}

/// <summary>
/// Which window comes when. Window w covers tokens w·block … w·block + block - 1 with targets one further; the order is
/// a function of the index alone, so that a run resumes at any step with nothing but integers.
/// </summary>
public sealed class WindowOrder
{
    private readonly DataOrder _order;
    private readonly ulong _seed;

    /// <summary>Makes the order of a source.</summary>
    /// <param name="source">The tokens.</param>
    /// <param name="block">Tokens of a window.</param>
    /// <param name="order">The order.</param>
    /// <param name="seed">Seed of the shuffled order.</param>
    /// <exception cref="AiOsException">The source has fewer than block + 1 tokens.</exception>
    public WindowOrder(ITokenSource source, int block, DataOrder order, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentOutOfRangeException.ThrowIfLessThan(block, 1);
        if (source.Length < block + 1L)
        {
            throw new AiOsException(
                $"{source.Name}: {source.Length} tokens are fewer than one window of {block} + 1; give more data or a smaller --block");
        }

        (Block, _order, _seed) = (block, order, seed);
        Windows = (source.Length - 1) / block;
    }

    /// <summary>Tokens of a window.</summary>
    public int Block { get; }

    /// <summary>Number of windows: (length - 1) / block.</summary>
    public long Windows { get; }

    /// <summary>The first token of the window that comes at place <paramref name="index"/> of the run.</summary>
    public long StartOf(long index)
    {
        long place = index % Windows;
        long window = _order == DataOrder.Sequential
            ? place
            : new FeistelPermutation(Windows, _seed, index / Windows)[place];
        return window * Block;
    }
}

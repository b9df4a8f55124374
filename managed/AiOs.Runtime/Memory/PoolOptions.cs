namespace AiOs.Runtime;

/// <summary>Choices of a <see cref="PoolAllocator"/>.</summary>
internal sealed record PoolOptions
{
    /// <summary>
    /// How much more than was ever in use may be mapped, as a part of that, before holes give their pages up for new blocks.
    /// </summary>
    public double Slack { get; init; } = 0.03;

    /// <summary>Puts blocks at places drawn from this seed instead of the best ones; null does not.</summary>
    public int? PlacementSeed { get; init; }
}

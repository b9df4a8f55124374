namespace AiOs.Runtime;

/// <summary>Choices of a <see cref="PoolAllocator"/>.</summary>
internal sealed record PoolOptions
{
    /// <summary>The part of the mapped memory that may lie unused when more is mapped, before holes give their pages up.</summary>
    public double Slack { get; init; } = 0.03;

    /// <summary>Puts blocks at places drawn from this seed instead of the best ones; null does not.</summary>
    public int? PlacementSeed { get; init; }
}

namespace AiOs.Runtime;

/// <summary>What an allocator holds and has done. Bytes are as rounded to the allocator's sizes.</summary>
public readonly record struct AllocatorStatistics
{
    /// <summary>Bytes of the blocks given out now.</summary>
    public long AllocatedBytes { get; init; }

    /// <summary>Bytes that callers asked for in the blocks given out now: the rest of AllocatedBytes is rounding.</summary>
    public long RequestedBytes { get; init; }

    /// <summary>Bytes taken from the device, in use or cached.</summary>
    public long ReservedBytes { get; init; }

    /// <summary>Bytes of freed blocks that wait for a stream to drain.</summary>
    public long DeferredBytes { get; init; }

    /// <summary>Greatest AllocatedBytes so far.</summary>
    public long PeakAllocatedBytes { get; init; }

    /// <summary>Greatest ReservedBytes so far.</summary>
    public long PeakReservedBytes { get; init; }

    /// <summary>Blocks given out now.</summary>
    public long LiveBlocks { get; init; }

    /// <summary>Blocks ever given out.</summary>
    public long Allocations { get; init; }

    /// <summary>Allocations served without asking the device.</summary>
    public long CacheHits { get; init; }

    /// <summary>Segments ever taken from the device.</summary>
    public long SegmentsReserved { get; init; }

    /// <summary>Segments ever given back to the device.</summary>
    public long SegmentsReleased { get; init; }

    /// <summary>Times the device had no memory left and everything cached was given back before trying again.</summary>
    public long Retries { get; init; }
}

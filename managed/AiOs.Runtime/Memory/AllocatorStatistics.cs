namespace AiOs.Runtime;

/// <summary>What an allocator holds and has done. Bytes are as rounded to the allocator's sizes.</summary>
public record struct AllocatorStatistics
{
    /// <summary>Bytes of the blocks given out now.</summary>
    public long AllocatedBytes { readonly get; internal set; }

    /// <summary>Bytes that callers asked for in the blocks given out now: the rest of AllocatedBytes is rounding.</summary>
    public long RequestedBytes { readonly get; internal set; }

    /// <summary>Bytes taken from the device, in use or cached.</summary>
    public long ReservedBytes { readonly get; internal set; }

    /// <summary>Bytes of freed blocks that wait for a stream to drain.</summary>
    public long DeferredBytes { readonly get; internal set; }

    /// <summary>Greatest AllocatedBytes so far.</summary>
    public long PeakAllocatedBytes { readonly get; internal set; }

    /// <summary>Greatest ReservedBytes so far.</summary>
    public long PeakReservedBytes { readonly get; internal set; }

    /// <summary>Blocks given out now.</summary>
    public long LiveBlocks { readonly get; internal set; }

    /// <summary>Blocks ever given out.</summary>
    public long Allocations { readonly get; internal set; }

    /// <summary>Allocations served without asking the device.</summary>
    public long CacheHits { readonly get; internal set; }

    /// <summary>Segments ever taken from the device.</summary>
    public long SegmentsReserved { readonly get; internal set; }

    /// <summary>Segments ever given back to the device.</summary>
    public long SegmentsReleased { readonly get; internal set; }

    /// <summary>Times the device had no memory left and everything cached was given back before trying again.</summary>
    public long Retries { readonly get; internal set; }
}

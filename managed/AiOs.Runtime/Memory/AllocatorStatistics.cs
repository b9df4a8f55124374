namespace AiOs.Runtime;

/// <summary>What an allocator holds and has done. Bytes are as rounded to the allocator's sizes.</summary>
public record struct AllocatorStatistics
{
    /// <summary>Bytes of the blocks given out now.</summary>
    public long AllocatedBytes { readonly get; internal set; }

    /// <summary>Bytes that callers asked for in the blocks given out now: the rest of AllocatedBytes is rounding.</summary>
    public long RequestedBytes { readonly get; internal set; }

    /// <summary>Bytes taken from the device, in use or not.</summary>
    public long ReservedBytes { readonly get; internal set; }

    /// <summary>Bytes of freed blocks that other streams still use.</summary>
    public long ParkedBytes { readonly get; internal set; }

    /// <summary>Greatest AllocatedBytes so far; with several streams the sum of their greatest, which is at least that.</summary>
    public long PeakAllocatedBytes { readonly get; internal set; }

    /// <summary>Greatest ReservedBytes so far.</summary>
    public long PeakReservedBytes { readonly get; internal set; }

    /// <summary>Blocks given out now.</summary>
    public long LiveBlocks { readonly get; internal set; }

    /// <summary>Blocks ever given out.</summary>
    public long Allocations { readonly get; internal set; }

    /// <summary>Allocations served from memory that their stream had used before.</summary>
    public long CacheHits { readonly get; internal set; }

    /// <summary>Times memory was taken from the device.</summary>
    public long Maps { readonly get; internal set; }

    /// <summary>Times memory was given back to the device.</summary>
    public long Unmaps { readonly get; internal set; }

    /// <summary>Allocations for which the device had no memory left at first.</summary>
    public long Retries { readonly get; internal set; }

    /// <summary>Adds the blocks of a stream.</summary>
    internal void Add(in FrontStatistics stream)
    {
        AllocatedBytes += stream.AllocatedBytes;
        RequestedBytes += stream.RequestedBytes;
        ParkedBytes += stream.ParkedBytes;
        PeakAllocatedBytes += stream.PeakAllocatedBytes;
        LiveBlocks += stream.LiveBlocks;
        Allocations += stream.Allocations;
        CacheHits += stream.CacheHits;
    }
}

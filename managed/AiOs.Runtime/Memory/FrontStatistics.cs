namespace AiOs.Runtime;

/// <summary>What the blocks of one stream add to the <see cref="AllocatorStatistics"/>.</summary>
internal struct FrontStatistics
{
    public long AllocatedBytes;
    public long RequestedBytes;
    public long ParkedBytes;
    public long PeakAllocatedBytes;
    public long LiveBlocks;
    public long Allocations;
    public long CacheHits;
}

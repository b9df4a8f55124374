using System.Runtime.CompilerServices;

namespace AiOs.Runtime;

/// <summary>
/// What a stream has of the pool for itself: freed blocks of up to 1 MiB by size class, last in first out; blocks that
/// other streams still use; and its part of the statistics. So streams on threads of their own share nothing on the way
/// of a small block. All members but <see cref="Gate"/> are used under it.
/// </summary>
internal sealed class StreamFront
{
    /// <summary>The largest block that is cached.</summary>
    public const long Limit = 1 << 20;

    /// <summary>Guards everything here, and the fields of regions that are live, cached or parked for this stream.</summary>
    public SpinGate Gate;

    private readonly RegionTable _regions;
    private readonly int[] _cached = new int[SizeClasses.IndexOf(Limit) + 1];
    private FrontStatistics _statistics;

    public StreamFront(RegionTable regions)
    {
        _regions = regions;
        Array.Fill(_cached, -1);
    }

    /// <summary>Uses by other streams of the stream's blocks.</summary>
    public UseTable Uses { get; } = new();

    /// <summary>First of the parked blocks; -1 when there is none.</summary>
    public int Parked { get; private set; } = -1;

    /// <summary>True once the stream is gone: its work is all done.</summary>
    public bool IsRetired { get; set; }

    /// <summary>The stream's part of the statistics.</summary>
    public ref FrontStatistics Statistics => ref _statistics;

    /// <summary>Takes a cached block of a class; -1 when there is none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Pop(int sizeClass)
    {
        ref int head = ref _cached[sizeClass];
        int index = head;
        if (index >= 0)
        {
            head = _regions[index].ListNext;
            _statistics.CacheHits++;
        }

        return index;
    }

    /// <summary>Caches a block of at most <see cref="Limit"/> bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Push(int index)
    {
        ref Region region = ref _regions[index];
        ref int head = ref _cached[SizeClasses.IndexOf(region.Size)];
        region.ListNext = head;
        head = index;
    }

    /// <summary>Makes a cached region live.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void GiveOut(ref Region region, long requested)
    {
        region.State = RegionState.Live;
        region.Requested = requested;
        _statistics.Allocations++;
        _statistics.LiveBlocks++;
        _statistics.RequestedBytes += requested;
        _statistics.AllocatedBytes += region.Size;
        if (_statistics.AllocatedBytes > _statistics.PeakAllocatedBytes)
        {
            _statistics.PeakAllocatedBytes = _statistics.AllocatedBytes;
        }
    }

    /// <summary>Makes a live region cached; its handles are stale from now on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void TakeBack(ref Region region)
    {
        region.State = RegionState.Cached;
        region.Generation++;
        _statistics.LiveBlocks--;
        _statistics.RequestedBytes -= region.Requested;
        _statistics.AllocatedBytes -= region.Size;
    }

    /// <summary>Takes any cached block out; -1 when there is none.</summary>
    public int PopAny(ref int sizeClass)
    {
        for (; sizeClass < _cached.Length; sizeClass++)
        {
            int index = _cached[sizeClass];
            if (index >= 0)
            {
                _cached[sizeClass] = _regions[index].ListNext;
                return index;
            }
        }

        return -1;
    }

    /// <summary>Keeps a block until the other streams that use it are known to be done with it.</summary>
    /// <param name="index">The block.</param>
    /// <param name="stamp">Stamp of the last work of this stream that uses it.</param>
    public void Park(int index, long stamp)
    {
        ref Region region = ref _regions[index];
        region.State = RegionState.Parked;
        region.Stamp = stamp;
        region.ListPrevious = -1;
        region.ListNext = Parked;
        if (Parked >= 0)
        {
            _regions[Parked].ListPrevious = index;
        }

        Parked = index;
        _statistics.ParkedBytes += region.Size;
    }

    /// <summary>Takes a parked block out of the list.</summary>
    public void Unpark(int index)
    {
        ref Region region = ref _regions[index];
        if (region.ListNext >= 0)
        {
            _regions[region.ListNext].ListPrevious = region.ListPrevious;
        }

        if (region.ListPrevious >= 0)
        {
            _regions[region.ListPrevious].ListNext = region.ListNext;
        }
        else
        {
            Parked = region.ListNext;
        }

        region.State = RegionState.Cached;
        _statistics.ParkedBytes -= region.Size;
    }
}

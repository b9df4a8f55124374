namespace AiOs.Runtime;

/// <summary>
/// Two-level segregated fit over a range of offsets (Masmano et al., ECRTS 2004) with all its bookkeeping outside the
/// memory, in a table of structs. It knows no device, and streams only as numbers that it asks the clocks about. Not safe
/// for several threads.
/// </summary>
/// <remarks>
/// Free memory belongs to the stream that used it last, and carries the stamp of that work: the stream itself may have it
/// back at once, since what it enqueues runs later. So each stream has an index of free regions, and neighbours merge when
/// they are of one stream. Only when a stream's own index has nothing that fits, <see cref="FindWindow"/> looks at all free
/// memory, and at addresses without memory, for the run of neighbours that is cheapest to make one block of.
/// </remarks>
internal sealed partial class RegionCore
{
    private readonly RegionTable _regions;
    private readonly IMemoryBackend _backend;
    private readonly ClockTable _clocks;
    private readonly double _slack;
    private readonly Random? _placement;
    private readonly List<FreeIndex> _free = [];
    private readonly FreeIndex _unmapped;
    private long _peakTaken;

    public RegionCore(RegionTable regions, IMemoryBackend backend, ClockTable clocks, PoolOptions options)
    {
        _regions = regions;
        _backend = backend;
        _clocks = clocks;
        _slack = options.Slack;
        _placement = options.PlacementSeed is { } seed ? new Random(seed) : null;
        _unmapped = new FreeIndex(regions);
        First = regions.Add(0, backend.Capacity);
        regions[First].State = RegionState.Unmapped;
        _unmapped.Add(First);
    }

    /// <summary>The region at offset 0; following <see cref="Region.Next"/> visits all in the order of their offsets.</summary>
    public int First { get; }

    /// <summary>Bytes that have memory behind them.</summary>
    public long MappedBytes { get; private set; }

    /// <summary>Greatest <see cref="MappedBytes"/> so far, or since it was last set.</summary>
    public long PeakMappedBytes { get; set; }

    /// <summary>Bytes of the regions that are not with the core: in use, cached by a front or parked.</summary>
    public long TakenBytes { get; private set; }

    /// <summary>Times memory was put behind addresses.</summary>
    public long Maps { get; private set; }

    /// <summary>Times memory was taken from addresses.</summary>
    public long Unmaps { get; private set; }

    /// <summary>Makes room for a stream's number.</summary>
    public void AddStream(int stream)
    {
        while (_free.Count <= stream)
        {
            _free.Add(new FreeIndex(_regions));
        }
    }

    /// <summary>Takes a region of the size, a multiple of the unit, out of the stream's own free memory; -1 when none fits.</summary>
    public int Allocate(long size, int stream)
    {
        int index = _free[stream].Find(size);
        return index < 0 ? -1 : Carve(index, size);
    }

    /// <summary>Takes a region back.</summary>
    /// <param name="index">The region; its stream may be given it again at once, others after <paramref name="stamp"/>.</param>
    /// <param name="stamp">Stamp of the last work of the region's stream that uses it.</param>
    public void Free(int index, long stamp)
    {
        ref Region region = ref _regions[index];
        TakenBytes -= region.Size;
        region.Stamp = stamp;
        Insert(index);
    }

    /// <summary>Takes a block of the size out of a free region; the rest stays free.</summary>
    private int Carve(int index, long size)
    {
        ref Region region = ref _regions[index];
        _free[region.Stream].Remove(index);
        long rest = region.Size - size;
        if (_placement is not null && rest > 0)
        {
            long before = _placement.NextInt64(rest / SizeClasses.Unit + 1) * SizeClasses.Unit;
            if (before > 0)
            {
                int first = index;
                index = Cut(first, before);
                _regions[index].State = RegionState.Cached;
                Insert(first);
                rest -= before;
            }
        }

        _regions[index].State = RegionState.Cached;
        TakenBytes += size;
        if (rest > 0)
        {
            Insert(Cut(index, size));
        }

        return index;
    }

    /// <summary>
    /// Cuts a region that is in no index at <paramref name="size"/> bytes from its start.
    /// </summary>
    /// <returns>The second part: of the same stream, stamp and state.</returns>
    private int Cut(int index, long size)
    {
        ref Region region = ref _regions[index];
        int rest = _regions.Add(region.Offset + size, region.Size - size);
        ref Region second = ref _regions[rest];
        second.Stream = region.Stream;
        second.Stamp = region.Stamp;
        second.State = region.State;
        second.Previous = index;
        second.Next = region.Next;
        if (region.Next >= 0)
        {
            _regions[region.Next].Previous = rest;
        }

        region.Next = rest;
        region.Size = size;
        return rest;
    }

    /// <summary>Makes a region that is in no index free, one with the free neighbours of its stream.</summary>
    /// <returns>The region that it is a part of now.</returns>
    private int Insert(int index)
    {
        _regions[index].State = RegionState.Free;
        FreeIndex free = _free[_regions[index].Stream];
        index = Merge(index, free);
        free.Add(index);
        return index;
    }

    /// <summary>Makes a region that is in no index, and has lost its memory, one with its unmapped neighbours.</summary>
    private void InsertUnmapped(int index)
    {
        ref Region region = ref _regions[index];
        region.State = RegionState.Unmapped;
        region.Stream = 0;
        region.Stamp = 0;
        _unmapped.Add(Merge(index, _unmapped));
    }

    /// <summary>Makes a region and its neighbours of the same state and stream one, in no index.</summary>
    private int Merge(int index, FreeIndex neighbours)
    {
        int next = _regions[index].Next;
        if (next >= 0 && IsLike(index, next))
        {
            neighbours.Remove(next);
            Absorb(index, next);
        }

        int previous = _regions[index].Previous;
        if (previous >= 0 && IsLike(index, previous))
        {
            neighbours.Remove(previous);
            Absorb(previous, index);
            index = previous;
        }

        return index;
    }

    private bool IsLike(int one, int other) =>
        _regions[one].State == _regions[other].State && _regions[one].Stream == _regions[other].Stream;

    private void Absorb(int index, int next)
    {
        ref Region region = ref _regions[index];
        ref Region absorbed = ref _regions[next];
        region.Size += absorbed.Size;
        region.Stamp = Math.Max(region.Stamp, absorbed.Stamp);
        region.Next = absorbed.Next;
        if (region.Next >= 0)
        {
            _regions[region.Next].Previous = index;
        }

        _regions.Remove(next);
    }
}

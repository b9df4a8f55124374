namespace AiOs.Runtime;

/// <summary>
/// The bookkeeping of <see cref="CachingAllocator"/> (whose head comment is the design) without streams, locks and
/// messages: pools are numbers and memory comes from an <see cref="IMemorySource"/>.
/// </summary>
internal sealed class BlockAllocator(IMemorySource source)
{
    private const long SmallLimit = 1 << 20;
    private const long SmallSegment = 2 << 20;
    private const long MediumLimit = 16 << 20;
    private const long MediumSegment = 32 << 20;
    private const long LargeGranularity = 2 << 20;

    private readonly Slots<Block> _blocks = new();
    private readonly Slots<Segment> _segments = new();
    private readonly List<Pool> _pools = [];
    private readonly Stack<int> _retired = new();
    private readonly Dictionary<nint, int> _live = [];
    private AllocatorStatistics _statistics;

    /// <summary>The numbers so far.</summary>
    public AllocatorStatistics Statistics => _statistics;

    /// <summary>Makes a pool, or uses the number of a retired one again.</summary>
    public int AddPool()
    {
        if (_retired.TryPop(out int pool))
        {
            return pool;
        }

        _pools.Add(new Pool(_blocks));
        return _pools.Count - 1;
    }

    /// <summary>Hands all memory of a pool whose stream has drained to another pool.</summary>
    public void RetirePool(int pool, int heir)
    {
        Collect(pool);
        for (int segment = 0; segment < _segments.End; segment++)
        {
            if (_segments[segment].Size > 0 && _segments[segment].Pool == pool)
            {
                Move(segment, heir);
            }
        }

        _retired.Push(pool);
    }

    /// <summary>Gives out a block; 0 when the device has no memory left.</summary>
    public nint Allocate(long bytes, int pool)
    {
        long size = SizeClasses.RoundUp(bytes);
        bool small = size <= SmallLimit;
        int index = Find(pool, small, size);
        bool hit = index >= 0;
        if (!hit)
        {
            index = Reserve(pool, small, size);
            if (index < 0)
            {
                return 0;
            }
        }

        _pools[pool].Arena(small).Remove(index);
        Split(index, small, size);
        ref Block block = ref _blocks[index];
        block.State = BlockState.Live;
        block.Requested = bytes;
        _live.Add(block.Address, index);
        _statistics.AllocatedBytes += block.Size;
        _statistics.PeakAllocatedBytes = Math.Max(_statistics.PeakAllocatedBytes, _statistics.AllocatedBytes);
        _statistics.RequestedBytes += bytes;
        _statistics.LiveBlocks++;
        _statistics.Allocations++;
        _statistics.CacheHits += hit ? 1 : 0;
        return block.Address;
    }

    /// <summary>Takes a block back; false when none that is given out starts at the address.</summary>
    public bool Free(nint address, int pool)
    {
        if (!_live.Remove(address, out int index))
        {
            return false;
        }

        ref Block block = ref _blocks[index];
        _statistics.AllocatedBytes -= block.Size;
        _statistics.RequestedBytes -= block.Requested;
        _statistics.LiveBlocks--;
        if (_segments[block.Segment].Pool == pool)
        {
            Merge(index);
            return true;
        }

        block.State = BlockState.Deferred;
        block.ListNext = _pools[pool].Deferred;
        _pools[pool].Deferred = index;
        _statistics.DeferredBytes += block.Size;
        return true;
    }

    /// <summary>The pool and requested size of a block in use; null when none starts at the address.</summary>
    public (int Pool, long Bytes)? Owner(nint address) =>
        _live.TryGetValue(address, out int index)
            ? (_segments[_blocks[index].Segment].Pool, _blocks[index].Requested)
            : null;

    /// <summary>Gives every segment without a block in use, whose stream has drained, back to the device.</summary>
    /// <returns>Bytes given back.</returns>
    public long Trim()
    {
        CollectDrained();
        long before = _statistics.ReservedBytes;
        for (int segment = 0; segment < _segments.End; segment++)
        {
            if (IsEmpty(segment) && source.IsDrained(_segments[segment].Pool))
            {
                Release(segment);
            }
        }

        return before - _statistics.ReservedBytes;
    }

    /// <summary>Gives everything back to the device, blocks in use included.</summary>
    public void Clear()
    {
        for (int segment = 0; segment < _segments.End; segment++)
        {
            if (_segments[segment].Size > 0)
            {
                source.Release(_segments[segment].Address, _segments[segment].Size);
            }
        }

        _live.Clear();
        _statistics.AllocatedBytes = 0;
        _statistics.RequestedBytes = 0;
        _statistics.DeferredBytes = 0;
        _statistics.ReservedBytes = 0;
        _statistics.LiveBlocks = 0;
    }

    /// <summary>Counts a retry and starts the peaks again from what is in use when <paramref name="peaks"/>.</summary>
    public void Note(bool retry, bool peaks)
    {
        _statistics.Retries += retry ? 1 : 0;
        _statistics.PeakAllocatedBytes = peaks ? _statistics.AllocatedBytes : _statistics.PeakAllocatedBytes;
        _statistics.PeakReservedBytes = peaks ? _statistics.ReservedBytes : _statistics.PeakReservedBytes;
    }

    /// <summary>Address and requested size of every block in use.</summary>
    public IEnumerable<(nint Address, long Bytes)> Live()
    {
        foreach ((nint address, int index) in _live)
        {
            yield return (address, _blocks[index].Requested);
        }
    }

    /// <summary>Walks all structures; throws when one contradicts another. For tests.</summary>
    public void Validate()
    {
        long reserved = 0, allocated = 0, deferred = 0, live = 0;
        for (int s = 0; s < _segments.End; s++)
        {
            Segment segment = _segments[s];
            nint expected = segment.Address;
            int previous = -1;
            for (int b = segment.Size > 0 ? segment.FirstBlock : -1; b >= 0; previous = b, b = _blocks[b].Next)
            {
                Block block = _blocks[b];
                Require(block.Address == expected && block.Previous == previous && block.Segment == s, "segments have no gaps");
                Require(block.Size > 0 && block.Size % SizeClasses.Unit == 0, "sizes are whole units");
                Require(previous < 0 || !(block.State == BlockState.Free && _blocks[previous].State == BlockState.Free), "free neighbours are merged");
                expected += (nint)block.Size;
                allocated += block.State == BlockState.Live ? block.Size : 0;
                live += block.State == BlockState.Live ? 1 : 0;
                deferred += block.State == BlockState.Deferred ? block.Size : 0;
            }

            Require(expected == segment.Address + segment.Size, "blocks fill their segment");
            reserved += segment.Size;
        }

        Require(reserved == _statistics.ReservedBytes && allocated == _statistics.AllocatedBytes, "bytes are as counted");
        Require(deferred == _statistics.DeferredBytes, "deferred bytes are as counted");
        Require(live == _statistics.LiveBlocks && live == _live.Count, "blocks are as counted");
    }

    private static void Require(bool holds, string what)
    {
        if (!holds)
        {
            throw new InvalidOperationException($"allocator invariant broken: {what}");
        }
    }

    private int Find(int pool, bool small, long size)
    {
        int index = _pools[pool].Arena(small).Find(size);
        if (index >= 0)
        {
            return index;
        }

        if (_statistics.DeferredBytes > 0)
        {
            CollectDrained();
            index = _pools[pool].Arena(small).Find(size);
            if (index >= 0)
            {
                return index;
            }
        }

        for (int segment = 0; segment < _segments.End; segment++)
        {
            ref Segment candidate = ref _segments[segment];
            if (candidate.Pool != pool && candidate.Small == small && candidate.Size >= size && IsEmpty(segment)
                && source.IsDrained(candidate.Pool))
            {
                Move(segment, pool);
                return candidate.FirstBlock;
            }
        }

        return -1;
    }

    private int Reserve(int pool, bool small, long size)
    {
        long bytes = small ? SmallSegment
            : size <= MediumLimit ? MediumSegment
            : (size + LargeGranularity - 1) / LargeGranularity * LargeGranularity;
        if (!source.TryReserve(bytes, out nint address))
        {
            // A medium request can still be served by a segment of just its size.
            bytes = (size + LargeGranularity - 1) / LargeGranularity * LargeGranularity;
            if (small || !source.TryReserve(bytes, out address))
            {
                return -1;
            }
        }

        int segment = _segments.Add();
        int index = _blocks.Add();
        _segments[segment] = new Segment { Address = address, Size = bytes, Pool = pool, FirstBlock = index, Small = small };
        _blocks[index] = new Block { Address = address, Size = bytes, Previous = -1, Next = -1, Segment = segment };
        _pools[pool].Arena(small).Add(index);
        _statistics.ReservedBytes += bytes;
        _statistics.PeakReservedBytes = Math.Max(_statistics.PeakReservedBytes, _statistics.ReservedBytes);
        _statistics.SegmentsReserved++;
        return index;
    }

    /// <summary>Cuts what the request does not need off a block, unless the rest is too small to be of use.</summary>
    private void Split(int index, bool small, long size)
    {
        long rest = _blocks[index].Size - size;
        if (rest < (small ? SizeClasses.Unit : SmallLimit))
        {
            return;
        }

        int cut = _blocks.Add();
        ref Block block = ref _blocks[index];
        _blocks[cut] = new Block
        {
            Address = block.Address + (nint)size,
            Size = rest,
            Previous = index,
            Next = block.Next,
            Segment = block.Segment,
        };
        if (block.Next >= 0)
        {
            _blocks[block.Next].Previous = cut;
        }

        block.Next = cut;
        block.Size = size;
        ArenaOf(cut).Add(cut);
    }

    /// <summary>Frees a block together with its free neighbours.</summary>
    private void Merge(int index)
    {
        ref Block block = ref _blocks[index];
        FreeIndex arena = ArenaOf(index);
        int next = block.Next;
        if (next >= 0 && _blocks[next].State == BlockState.Free)
        {
            arena.Remove(next);
            Absorb(index, next);
        }

        int previous = block.Previous;
        if (previous >= 0 && _blocks[previous].State == BlockState.Free)
        {
            arena.Remove(previous);
            Absorb(previous, index);
            index = previous;
        }

        arena.Add(index);
    }

    private void Absorb(int index, int next)
    {
        ref Block block = ref _blocks[index];
        block.Size += _blocks[next].Size;
        block.Next = _blocks[next].Next;
        if (block.Next >= 0)
        {
            _blocks[block.Next].Previous = index;
        }

        _blocks.Remove(next);
    }

    private void CollectDrained()
    {
        for (int pool = 0; pool < _pools.Count; pool++)
        {
            if (_pools[pool].Deferred >= 0 && source.IsDrained(pool))
            {
                Collect(pool);
            }
        }
    }

    private void Collect(int pool)
    {
        int index = _pools[pool].Deferred;
        _pools[pool].Deferred = -1;
        while (index >= 0)
        {
            int following = _blocks[index].ListNext;
            _statistics.DeferredBytes -= _blocks[index].Size;
            Merge(index);
            index = following;
        }
    }

    private bool IsEmpty(int segment)
    {
        ref Segment candidate = ref _segments[segment];
        return candidate.Size > 0 && _blocks[candidate.FirstBlock].State == BlockState.Free
            && _blocks[candidate.FirstBlock].Next < 0;
    }

    private void Move(int segment, int pool)
    {
        ref Segment moved = ref _segments[segment];
        FreeIndex from = _pools[moved.Pool].Arena(moved.Small);
        FreeIndex to = _pools[pool].Arena(moved.Small);
        moved.Pool = pool;
        for (int block = moved.FirstBlock; block >= 0; block = _blocks[block].Next)
        {
            if (_blocks[block].State == BlockState.Free)
            {
                from.Remove(block);
                to.Add(block);
            }
        }
    }

    private void Release(int segment)
    {
        Segment released = _segments[segment];
        ArenaOf(released.FirstBlock).Remove(released.FirstBlock);
        _blocks.Remove(released.FirstBlock);
        _segments.Remove(segment);
        source.Release(released.Address, released.Size);
        _statistics.ReservedBytes -= released.Size;
        _statistics.SegmentsReleased++;
    }

    private FreeIndex ArenaOf(int block)
    {
        ref Segment segment = ref _segments[_blocks[block].Segment];
        return _pools[segment.Pool].Arena(segment.Small);
    }

    /// <summary>The free blocks of one stream, small and large apart, and those freed by it that are not its own.</summary>
    private sealed class Pool(Slots<Block> blocks)
    {
        private readonly FreeIndex _small = new(blocks);
        private readonly FreeIndex _large = new(blocks);

        public int Deferred { get; set; } = -1;

        public FreeIndex Arena(bool small) => small ? _small : _large;
    }
}

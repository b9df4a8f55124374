namespace AiOs.Runtime;

/// <summary>What can be seen of a pool.</summary>
internal sealed partial class PoolAllocator
{
    /// <summary>The numbers so far; those that only the device knows are 0.</summary>
    public AllocatorStatistics Statistics
    {
        get
        {
            lock (_gate)
            {
                var sum = new AllocatorStatistics
                {
                    ReservedBytes = _core.MappedBytes,
                    PeakReservedBytes = _core.PeakMappedBytes,
                    Maps = _core.Maps,
                    Unmaps = _core.Unmaps,
                };
                foreach (StreamFront front in _fronts)
                {
                    front.Gate.Enter();
                    sum.Add(in front.Statistics);
                    front.Gate.Exit();
                }

                return sum;
            }
        }
    }

    /// <summary>Starts the peaks again from what is in use now.</summary>
    public void ResetPeaks()
    {
        lock (_gate)
        {
            _core.PeakMappedBytes = _core.MappedBytes;
            foreach (StreamFront front in _fronts)
            {
                front.Gate.Enter();
                front.Statistics.PeakAllocatedBytes = front.Statistics.AllocatedBytes;
                front.Gate.Exit();
            }
        }
    }

    /// <inheritdoc/>
    public override List<RegionInfo> Regions()
    {
        var found = new List<RegionInfo>();
        WithAllLocked(() =>
        {
            for (int index = _core.First; index >= 0; index = _regions[index].Next)
            {
                if (_regions[index].State != RegionState.Unmapped)
                {
                    found.Add(Describe(index));
                }
            }
        });
        return found;
    }

    /// <inheritdoc/>
    public override RegionInfo Find(Allocation block)
    {
        EnterLive(block, out StreamFront front);
        RegionInfo found = Describe(block.Index);
        front.Gate.Exit();
        return found;
    }

    /// <summary>Walks all structures; throws <see cref="InvalidOperationException"/> when one contradicts another.</summary>
    public void Validate() => WithAllLocked(() =>
    {
        _core.Validate();
        Span<long> live = new long[_fronts.Length], allocated = new long[_fronts.Length], requested = new long[_fronts.Length], parked = new long[_fronts.Length];
        for (int index = _core.First; index >= 0; index = _regions[index].Next)
        {
            ref Region region = ref _regions[index];
            live[region.Stream] += region.State == RegionState.Live ? 1 : 0;
            allocated[region.Stream] += region.State == RegionState.Live ? region.Size : 0;
            requested[region.Stream] += region.State == RegionState.Live ? region.Requested : 0;
            parked[region.Stream] += region.State == RegionState.Parked ? region.Size : 0;
            if (region.State == RegionState.Parked ? region.Uses < 0 : region.State != RegionState.Live && region.Uses >= 0)
            {
                throw new InvalidOperationException("allocator invariant broken: live and parked blocks, and only they, have uses");
            }
        }

        for (int stream = 0; stream < _fronts.Length; stream++)
        {
            ref FrontStatistics counted = ref _fronts[stream].Statistics;
            if (counted.LiveBlocks != live[stream] || counted.AllocatedBytes != allocated[stream]
                || counted.RequestedBytes != requested[stream] || counted.ParkedBytes != parked[stream])
            {
                throw new InvalidOperationException($"allocator invariant broken: the blocks of stream {stream} are as counted");
            }
        }
    });

    private RegionInfo Describe(int index)
    {
        ref Region region = ref _regions[index];
        long requested = region.State == RegionState.Live ? region.Requested : 0;
        return new RegionInfo(index, _base + (nint)region.Offset, region.Size, requested, region.Stream, region.State, region.Uses >= 0);
    }

    private void WithAllLocked(Action action)
    {
        lock (_gate)
        {
            int entered = 0;
            try
            {
                for (; entered < _fronts.Length; entered++)
                {
                    _fronts[entered].Gate.Enter();
                }

                action();
            }
            finally
            {
                while (--entered >= 0)
                {
                    _fronts[entered].Gate.Exit();
                }
            }
        }
    }
}

namespace AiOs.Runtime;

/// <summary>
/// Which other streams use a block, and the stamp of the last such work: short lists in one array, started by
/// <see cref="Region.Uses"/>. Almost no block has any.
/// </summary>
internal sealed class UseTable
{
    private Use[] _uses = new Use[16];
    private int _firstUnused = -1;
    private int _end;

    /// <summary>Notes work of a stream with the given stamp.</summary>
    public void Note(ref Region region, int stream, long stamp)
    {
        for (int use = region.Uses; use >= 0; use = _uses[use].Next)
        {
            if (_uses[use].Stream == stream)
            {
                _uses[use].Stamp = stamp;
                return;
            }
        }

        int added = Add();
        _uses[added] = new Use { Stream = stream, Stamp = stamp, Next = region.Uses };
        region.Uses = added;
    }

    /// <summary>Of a region that is freed: the work that was about to be given when it was noted has been given now.</summary>
    public void Confirm(ref Region region, ClockTable clocks)
    {
        for (int use = region.Uses; use >= 0; use = _uses[use].Next)
        {
            ref Use confirmed = ref _uses[use];
            confirmed.Stamp = Math.Min(confirmed.Stamp, clocks.Pending(confirmed.Stream));
        }
    }

    /// <summary>True when all noted work comes before what <paramref name="stream"/> is given from now on.</summary>
    public bool AreOrdered(ref Region region, int stream, ClockTable clocks)
    {
        for (int use = region.Uses; use >= 0; use = _uses[use].Next)
        {
            if (!clocks.IsOrdered(stream, _uses[use].Stream, _uses[use].Stamp))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>True when the host has seen all noted work done.</summary>
    public bool AreDone(ref Region region, ClockTable clocks)
    {
        for (int use = region.Uses; use >= 0; use = _uses[use].Next)
        {
            if (!clocks.IsDone(_uses[use].Stream, _uses[use].Stamp))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Forgets a region's uses.</summary>
    public void Clear(ref Region region)
    {
        while (region.Uses >= 0)
        {
            int use = region.Uses;
            region.Uses = _uses[use].Next;
            _uses[use].Next = _firstUnused;
            _firstUnused = use;
        }
    }

    /// <summary>Calls <paramref name="visit"/> with every stream that uses the region.</summary>
    public void Visit(ref Region region, Action<int> visit)
    {
        for (int use = region.Uses; use >= 0; use = _uses[use].Next)
        {
            visit(_uses[use].Stream);
        }
    }

    private int Add()
    {
        if (_firstUnused >= 0)
        {
            int use = _firstUnused;
            _firstUnused = _uses[use].Next;
            return use;
        }

        if (_end == _uses.Length)
        {
            Array.Resize(ref _uses, _end * 2);
        }

        return _end++;
    }

    private struct Use
    {
        public int Stream;
        public long Stamp;
        public int Next;
    }
}

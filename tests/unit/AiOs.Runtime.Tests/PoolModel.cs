namespace AiOs.Runtime.Tests;

/// <summary>
/// What must be true of a pool, told by other means: every unit of the range remembers the work that used it last, and
/// what comes before what is told by counting every single piece of work, not by the epochs of the clocks.
/// </summary>
internal sealed class PoolModel
{
    private readonly List<(int Stream, long Work)>[] _uses;
    private readonly bool[] _taken;
    private readonly long[] _given;
    private readonly long[,] _seen;
    private readonly long[] _done;
    private readonly nint _base;

    public PoolModel(SimulatedMemory memory, int streams)
    {
        _base = memory.Base;
        _uses = [.. Enumerable.Range(0, (int)(memory.Capacity / SizeClasses.Unit)).Select(_ => new List<(int, long)>(0))];
        _taken = new bool[_uses.Length];
        (_given, _seen, _done) = (new long[streams], new long[streams, streams], new long[streams]);
    }

    /// <summary>A block is given out: all its units must be free, and all work that used them be before the stream's next.</summary>
    public void Take(nint address, long bytes, int stream)
    {
        long work = ++_given[stream];
        foreach (int unit in Units(address, bytes))
        {
            Assert.False(_taken[unit], "no byte is given out twice");
            foreach ((int Stream, long Work) use in _uses[unit])
            {
                Assert.True(IsBefore(use, stream), "what the block was used for before comes before its new owner");
            }

            _taken[unit] = true;
            _uses[unit].Clear();
            _uses[unit].Add((stream, work));
        }
    }

    /// <summary>A stream is given work that uses a block.</summary>
    public void Use(nint address, long bytes, int stream)
    {
        long work = ++_given[stream];
        foreach (int unit in Units(address, bytes))
        {
            _uses[unit].RemoveAll(use => use.Stream == stream);
            _uses[unit].Add((stream, work));
        }
    }

    public void Release(nint address, long bytes)
    {
        foreach (int unit in Units(address, bytes))
        {
            _taken[unit] = false;
        }
    }

    /// <summary>An event of <paramref name="other"/> is recorded, and the stream waits for it.</summary>
    public void Wait(int stream, int other)
    {
        for (int s = 0; s < _given.Length; s++)
        {
            _seen[stream, s] = Math.Max(_seen[stream, s], Math.Max(_seen[other, s], _done[s]));
        }

        _seen[stream, other] = _given[other];
    }

    /// <summary>The host waits for a stream.</summary>
    public void Finish(int stream)
    {
        _done[stream] = _given[stream];
        for (int s = 0; s < _given.Length; s++)
        {
            _done[s] = Math.Max(_done[s], _seen[stream, s]);
        }
    }

    private bool IsBefore((int Stream, long Work) use, int stream) =>
        use.Stream == stream || use.Work <= _done[use.Stream] || use.Work <= _seen[stream, use.Stream];

    private IEnumerable<int> Units(nint address, long bytes)
    {
        int first = (int)((address - _base) / SizeClasses.Unit);
        return Enumerable.Range(first, (int)((Math.Max(1, bytes) + SizeClasses.Unit - 1) / SizeClasses.Unit));
    }
}

namespace AiOs.Runtime;

/// <summary>
/// Places the blocks of a step that repeats, such as one of training, once and for all: the first step is recorded, its
/// blocks are placed offline with their lifetimes known (<see cref="StepPacking"/>), and in later steps the nth allocation
/// gets the nth place, at once and without fragmentation. A step that does something else goes on with the pool from
/// there, and the next one is recorded anew. Dispose it when nothing of a step is in use any more.
/// </summary>
/// <remarks>
/// Planned are blocks that are freed within their step and used by no other stream. A place is used again in the order of
/// the one stream, like any freed block; since allocations and frees must come exactly as recorded, blocks that share
/// bytes are never in use together. The places lie in one block of the pool, the arena, which
/// <see cref="AllocatorStatistics"/> counts as allocated.
/// </remarks>
public sealed class StepPlan : IDisposable
{
    private readonly StepLayer _layer;
    private readonly Allocator _pool;
    private readonly int _number;
    private SpinGate _gate;
    private Mode _mode;
    private StepRecorder? _recorder;
    private StepEvent[] _events = [];
    private Slot[] _slots = [];
    private int _next;
    private int _live;
    private bool _isBroken;
    private bool _isHopeless;

    internal StepPlan(StepLayer layer, Allocator pool, int stream)
    {
        (_layer, _pool, Stream) = (layer, pool, stream);
        _number = layer.Add(this);
    }

    private enum Mode
    {
        /// <summary>No step is running, or it does without the plan.</summary>
        Idle,

        Recording,

        Replaying,
    }

    /// <summary>Bytes that the planned blocks of a step take together; 0 before a step was recorded.</summary>
    public long Bytes { get; private set; }

    /// <summary>Steps that ran as they were recorded.</summary>
    public long ReplayedSteps { get; private set; }

    /// <summary>Steps that did something else than was recorded.</summary>
    public long Mismatches { get; private set; }

    /// <summary>Number of the stream.</summary>
    internal int Stream { get; }

    /// <summary>The block that holds the planned ones.</summary>
    internal Allocation Arena { get; private set; }

    /// <summary>Begins a step on the plan's stream; dispose the result at its end.</summary>
    /// <exception cref="InvalidOperationException">A step is running on the stream already.</exception>
    public StepScope Begin()
    {
        Discard();
        Mode mode = _isBroken || _isHopeless ? Mode.Idle : _slots.Length > 0 ? Mode.Replaying : Mode.Recording;
        _layer.Begin(this, mode == Mode.Recording);
        _recorder = mode == Mode.Recording ? new StepRecorder() : null;
        (_next, _mode) = (0, mode);
        return new StepScope(this);
    }

    /// <summary>Gives the plan's memory back.</summary>
    /// <exception cref="InvalidOperationException">Blocks of a step are still in use.</exception>
    public void Dispose()
    {
        _isBroken = true;
        Discard();
        if (_live > 0)
        {
            throw new InvalidOperationException($"{_live} blocks of a planned step are still in use; free them before the plan is disposed");
        }

        _layer.Remove(_number);
    }

    internal static ArgumentException Stale(Allocation block) =>
        new($"no allocated block starts at 0x{block.Address:x}: was it freed twice?", nameof(block));

    /// <summary>Ends the step that is running.</summary>
    internal void End()
    {
        _layer.End(Stream, _recorder is not null);
        if (_mode == Mode.Replaying && _next == _events.Length)
        {
            ReplayedSteps++;
        }
        else if (_mode == Mode.Replaying)
        {
            Leave();
        }
        else if (_recorder is { } recorder)
        {
            Plan(recorder);
        }

        (_mode, _recorder) = (Mode.Idle, null);
        Discard();
    }

    /// <summary>Allocates for the step that is running.</summary>
    internal Allocation Allocate(long bytes)
    {
        _gate.Enter();
        if (_mode == Mode.Replaying)
        {
            if (_next < _events.Length && _events[_next].Bytes == bytes)
            {
                int index = _events[_next++].Slot;
                if (index >= 0)
                {
                    ref Slot slot = ref _slots[index];
                    slot.IsLive = true;
                    _live++;
                    var planned = new Allocation(Arena.Address + (nint)slot.Offset, StepLayer.IndexOf(_number, index), slot.Generation);
                    _gate.Exit();
                    return planned;
                }
            }
            else
            {
                Leave();
            }
        }

        _gate.Exit();
        Allocation block = _pool.Allocate(bytes, Stream);
        _recorder?.Allocated(block, bytes);
        return block;
    }

    /// <summary>Takes a planned block back.</summary>
    internal void Free(Allocation block, int index)
    {
        ref Slot slot = ref EnterLive(block, index);
        slot.IsLive = false;
        slot.Generation++;
        _live--;
        if (_mode == Mode.Replaying)
        {
            if (_next < _events.Length && _events[_next] == StepEvent.Freed(index))
            {
                _next++;
            }
            else
            {
                Leave();
            }
        }

        _gate.Exit();
    }

    /// <summary>Notes that another stream uses a planned block: its place is not used again in this step.</summary>
    internal void NoteUse(Allocation block, int index, int stream)
    {
        EnterLive(block, index);
        if (stream != Stream && !_isBroken)
        {
            Leave();
        }

        _gate.Exit();
        _pool.NoteUse(Arena, stream);
    }

    /// <summary>Notes what happens to a block of the pool while a step is recorded.</summary>
    internal void NoteRecorded(Allocation block, bool freed)
    {
        if (freed)
        {
            _recorder?.Freed(block);
        }
        else
        {
            _recorder?.Shared(block);
        }
    }

    /// <summary>A planned block in use as a region.</summary>
    internal RegionInfo Find(Allocation block, int index)
    {
        EnterLive(block, index);
        RegionInfo found = Describe(index);
        _gate.Exit();
        return found with { Shared = _pool.Find(Arena).Shared };
    }

    /// <summary>The regions of the arena: planned blocks in use, and what lies between them.</summary>
    internal List<RegionInfo> Expand(RegionInfo arena)
    {
        var regions = new List<RegionInfo>();
        nint from = arena.Address, end = arena.Address + (nint)arena.Size;
        _gate.Enter();
        foreach (int index in Enumerable.Range(0, _slots.Length).Where(index => _slots[index].IsLive).OrderBy(index => _slots[index].Offset))
        {
            RegionInfo live = Describe(index);
            Between(from, live.Address);
            regions.Add(live);
            from = live.Address + (nint)live.Size;
        }

        _gate.Exit();
        Between(from, end);
        return regions;

        void Between(nint start, nint stop)
        {
            if (stop > start)
            {
                regions.Add(arena with { Address = start, Size = stop - start, Requested = 0, State = RegionState.Cached });
            }
        }
    }

    private RegionInfo Describe(int index) => new(
        StepLayer.IndexOf(_number, index), Arena.Address + (nint)_slots[index].Offset, _slots[index].Size, _slots[index].Requested, Stream, RegionState.Live);

    private ref Slot EnterLive(Allocation block, int index)
    {
        _gate.Enter();
        if (index >= _slots.Length || !_slots[index].IsLive || _slots[index].Generation != block.Generation)
        {
            _gate.Exit();
            throw Stale(block);
        }

        return ref _slots[index];
    }

    /// <summary>Leaves the plan: the step goes on with the pool.</summary>
    private void Leave()
    {
        _mode = Mode.Idle;
        _isBroken = true;
        Mismatches++;
    }

    /// <summary>Gives a plan that was left back when nothing of it is in use, so that the next step is recorded.</summary>
    private void Discard()
    {
        if (_isBroken && _live == 0)
        {
            if (Arena.Address != 0)
            {
                _pool.Free(Arena);
            }

            (Arena, Bytes, _slots, _events, _isBroken) = (default, 0, [], [], false);
        }
    }

    private void Plan(StepRecorder recorder)
    {
        (_events, StepPacking.Item[] items) = recorder.Finish(StepLayer.MostSlots);
        long bytes = StepPacking.Place(items);
        try
        {
            _isHopeless = items.Length == 0;
            Arena = _isHopeless ? default : _pool.Allocate(bytes, Stream);
        }
        catch (DeviceOutOfMemoryException)
        {
            _isHopeless = true; // No room for all at one place: the pool's pieces have to do.
        }

        if (!_isHopeless)
        {
            Bytes = bytes;
            _slots = Array.ConvertAll(
                items, item => new Slot { Offset = item.Offset, Size = item.Size, Requested = item.Requested, Generation = 1 });
        }
    }

    private struct Slot
    {
        public long Offset;
        public long Size;
        public long Requested;
        public uint Generation;
        public bool IsLive;
    }
}

/// <summary>A step of a <see cref="StepPlan"/> that is running, until it is disposed.</summary>
public readonly struct StepScope : IDisposable, IEquatable<StepScope>
{
    private readonly StepPlan? _plan;

    internal StepScope(StepPlan plan) => _plan = plan;

    /// <summary>Ends the step.</summary>
    public void Dispose() => _plan?.End();

    /// <inheritdoc/>
    public bool Equals(StepScope other) => ReferenceEquals(_plan, other._plan);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is StepScope other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _plan?.GetHashCode() ?? 0;

    /// <summary>Whether both are of one plan.</summary>
    public static bool operator ==(StepScope left, StepScope right) => left.Equals(right);

    /// <summary>Whether they are of different plans.</summary>
    public static bool operator !=(StepScope left, StepScope right) => !left.Equals(right);
}

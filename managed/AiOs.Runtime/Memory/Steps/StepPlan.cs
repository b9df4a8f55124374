namespace AiOs.Runtime;

/// <summary>
/// Places the blocks of a step that repeats, such as one of training, once and for all: steps are recorded until one is
/// like the one before, its blocks are placed offline with their lifetimes known (<see cref="StepPacking"/>), and in later
/// steps the nth allocation gets the nth place, at once and without fragmentation. A step that does something else goes on
/// with the pool from there, and the next one is recorded anew.
/// </summary>
/// <remarks>
/// <para>
/// Planned are blocks that are freed within their step and used by no other stream. A place is used again in the order of
/// the one stream, like any freed block; since allocations and frees must come exactly as recorded, blocks that share
/// bytes are never in use together.
/// </para>
/// <para>
/// The places lie in one block of the pool, the arena, which <see cref="AllocatorStatistics"/> counts as allocated. It is
/// taken when a step begins and freed at its end, so that what runs between steps, such as a validation, has the memory too.
/// </para>
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
    private uint _generation;
    private long _bytes, _inUse, _steps, _replayed, _mismatches;
    private bool _isPlanned;
    private bool _isHopeless;
    private bool _isDisposed;

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

    /// <summary>What the plan is and has done.</summary>
    public StepPlanReport Report => new(_bytes, _inUse, _steps, _replayed, _mismatches);

    /// <summary>Number of the stream.</summary>
    internal int Stream { get; }

    /// <summary>The block that holds the planned ones; none between steps.</summary>
    internal Allocation Arena { get; private set; }

    /// <summary>Begins a step on the plan's stream; dispose the result at its end.</summary>
    /// <exception cref="InvalidOperationException">A step is running on the stream already.</exception>
    public StepScope Begin()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        Mode mode = _live > 0 || _isHopeless ? Mode.Idle : _isPlanned ? Mode.Replaying : Mode.Recording;
        _layer.Begin(this, mode == Mode.Recording);
        _recorder = mode == Mode.Recording ? new StepRecorder() : null;
        _next = 0;
        _steps++;
        _mode = mode == Mode.Replaying && !TryTakeArena() ? Mode.Idle : mode;
        return new StepScope(this);
    }

    /// <summary>Ends the plan. Blocks of a step that are still in use keep its memory until they are freed.</summary>
    public void Dispose()
    {
        _gate.Enter();
        if (!_isDisposed)
        {
            (_isDisposed, _mode) = (true, Mode.Idle);
            ReleaseArena();
        }

        _gate.Exit();
    }

    internal static ArgumentException Stale(Allocation block) =>
        new($"no allocated block starts at 0x{block.Address:x}: was it freed twice?", nameof(block));

    /// <summary>Ends the step that is running.</summary>
    internal void End()
    {
        _layer.End(Stream, _recorder is not null);
        if (_recorder is { } recorder)
        {
            Plan(recorder);
        }

        _gate.Enter();
        if (_mode == Mode.Replaying && _next == _events.Length)
        {
            _replayed++;
        }
        else if (_mode == Mode.Replaying)
        {
            Leave();
        }

        (_mode, _recorder) = (Mode.Idle, null);
        ReleaseArena();
        _gate.Exit();
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
                    slot.Generation = ++_generation;
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
        _live--;
        if (_mode == Mode.Replaying && _next < _events.Length && _events[_next] == StepEvent.Freed(index))
        {
            _next++;
        }
        else if (_mode == Mode.Replaying)
        {
            Leave();
        }
        else
        {
            ReleaseArena();
        }

        _gate.Exit();
    }

    /// <summary>Notes that another stream uses a planned block: its place is not used again in this step.</summary>
    internal void NoteUse(Allocation block, int index, int stream)
    {
        EnterLive(block, index);
        if (stream != Stream && _mode == Mode.Replaying)
        {
            Leave();
        }

        _pool.NoteUse(Arena, stream);
        _gate.Exit();
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

    /// <summary>Leaves the plan: the step goes on with the pool. Under the gate.</summary>
    private void Leave()
    {
        (_mode, _isPlanned) = (Mode.Idle, false);
        _mismatches++;
        ReleaseArena();
    }

    /// <summary>Takes the memory of the planned blocks for a step.</summary>
    /// <returns>False when there is no room for all at one place: the pool's pieces have to do.</returns>
    private bool TryTakeArena()
    {
        try
        {
            Arena = _pool.Allocate(_bytes, Stream);
        }
        catch (DeviceOutOfMemoryException)
        {
            _isHopeless = true;
        }

        return !_isHopeless;
    }

    /// <summary>Gives the arena back when nothing of it is in use, and a plan that is disposed forgets itself. Under the gate.</summary>
    private void ReleaseArena()
    {
        if (_live > 0)
        {
            return;
        }

        if (Arena.Address != 0)
        {
            _pool.Free(Arena);
            Arena = default;
        }

        if (_isDisposed)
        {
            _layer.Remove(this);
        }
    }

    /// <summary>Plans for steps like the one recorded, when the one before was like it already.</summary>
    private void Plan(StepRecorder recorder)
    {
        (StepEvent[] events, StepPacking.Item[] items) = recorder.Finish(StepLayer.MostSlots);
        bool repeats = items.Length > 0 && events.AsSpan().SequenceEqual(_events);
        _events = events;
        if (repeats)
        {
            _bytes = StepPacking.Place(items);
            _inUse = StepPacking.MostInUse(items);
            _slots = Array.ConvertAll(items, item => new Slot { Offset = item.Offset, Size = item.Size, Requested = item.Requested });
            _isPlanned = true;
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

using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>
/// Memory of a device, cached: the first touch of fresh pages costs an order of magnitude more than using warm ones
/// again, so they go back to the device only on <see cref="Trim"/>, when memory runs out, or when more of them would lie
/// unused than a few percent. Safe for several threads.
/// </summary>
/// <remarks>
/// <para>
/// Design. A range of addresses many times the device's memory is reserved once; memory is put behind it and taken from it
/// in pages (<see cref="IMemoryBackend"/>). The range is tiled by regions (<see cref="Region"/>), found by size in
/// constant time and merged when freed (<see cref="RegionCore"/>, two-level segregated fit). When nothing fits, more
/// pages are mapped where the fewest are needed; when more would then be mapped than was ever in use and a slack of 3 %,
/// whole free pages of the holes are given up first. So fragmentation costs addresses, of which there are plenty, instead of
/// memory. A step that repeats finds its regions as it left them, and maps nothing.
/// </para>
/// <para>
/// Small blocks. Each stream has a front (<see cref="StreamFront"/>) that keeps freed blocks of up to 1 MiB by size
/// class under a lock of its own; a pair of allocate and free costs two uncontended atomic operations and no managed
/// object. Before the core maps memory, the fronts give it all they have, which it merges.
/// </para>
/// <para>
/// Streams. A freed block belongs to its stream, which may have it back at once: what the new owner enqueues runs after
/// all the old one did. Another stream gets it once the <see cref="ClockTable"/> says that whatever it is given now comes
/// after the block's last use. Uses by other streams are noted by whoever enqueues them (<see cref="NoteUse"/>); a block
/// freed while one of them is not ordered before its own stream is parked until it is. Nothing is polled: orders are
/// learned where events and waits make them.
/// </para>
/// <para>
/// Layers. The pool (<see cref="PoolAllocator"/>) knows no device; what happens when memory runs out
/// (<see cref="RetryLayer"/>), steps that repeat (<see cref="StepLayer"/>), the recording of stacks (<see cref="TrackingLayer"/>), what the race detector is told
/// (<see cref="RaceLayer"/>) and the checks of <see cref="MemoryChecks"/> are layers on it. Reserved bytes
/// count as pressure on the garbage collector, so that forgotten tensors are found before the machine is full.
/// </para>
/// <para>
/// The few methods on the way of every pair are compiled with all optimizations at once: the runtime's own way there, by
/// counting calls, leaves a program's first seconds three times as slow.
/// </para>
/// </remarks>
public sealed class CachingAllocator
{
    private readonly Device _device;
    private readonly long _limit;
    private readonly PoolAllocator _pool;
    private readonly RetryLayer _retry;
    private readonly StepLayer _steps;
    private readonly Allocator _top;
    private readonly DeviceStreams _streams;
    private readonly HostMemory _host;
    private readonly Lock _gate = new();
    private readonly ConcurrentQueue<AbandonedResource> _abandoned = new();
    private readonly List<LeakedBlock> _finalized = [];
    private readonly MemoryHistory? _history;
    private readonly HistoryLayer? _recorder;
    private volatile bool _hasAbandoned;
    private volatile bool _closed;

    internal CachingAllocator(Device device, DeviceOptions options)
    {
        _device = device;
        _limit = Math.Min(options.MemoryLimitBytes ?? long.MaxValue, device.Driver.Info.MemoryBytes);
        _streams = new DeviceStreams(device);
        _host = new HostMemory(device, options.CaptureCallSites);
        MemoryChecks checks = options.MemoryChecks;
        var choices = new PoolOptions { Slack = options.MemorySlack, PlacementSeed = checks.PlacementSeed };
        _history = options.MemoryHistory > 0 ? new MemoryHistory(options.MemoryHistory) : null;
        IMemoryBackend memory = new LimitedMemory(device.Driver.ReserveMemory(), _limit);
        _pool = new PoolAllocator(_history is null ? memory : new RecordedMemory(memory, _history), device.Clocks, choices, _streams);
        _retry = new RetryLayer(_pool, FreeAbandoned, OutOfMemory);
        _steps = new StepLayer(_retry);
        _recorder = _history is null ? null : new HistoryLayer(_steps, _history);
        _top = Layered(_recorder ?? (Allocator)_steps, device.Races, options);
    }

    /// <summary>The numbers so far.</summary>
    public AllocatorStatistics Statistics
    {
        get
        {
            FreeAbandoned();
            return _pool.Statistics with { Retries = _retry.Retries };
        }
    }

    /// <summary>Allocates a block, aligned to 512 bytes; its contents are undefined.</summary>
    /// <param name="bytes">Size, 0 or more; 0 gives a block of its own too.</param>
    /// <param name="stream">The stream whose work uses the block; the uses of others are noted (<see cref="NoteUse"/>).</param>
    /// <returns>The block, to be given to <see cref="Free"/>.</returns>
    /// <exception cref="DeviceOutOfMemoryException">The device has no memory left.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public Allocation Allocate(long bytes, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ObjectDisposedException.ThrowIf(stream.IsDisposed, stream);
        ObjectDisposedException.ThrowIf(_closed, _device);
        CheckDevice(stream);
        if (_hasAbandoned)
        {
            FreeAbandoned();
        }

        return _top.Allocate(bytes, Owner(stream));
    }

    /// <summary>
    /// Frees a block. Work already enqueued still finds it: that of its own stream, and that of the streams whose use
    /// was noted.
    /// </summary>
    /// <param name="block">What <see cref="Allocate"/> returned.</param>
    /// <exception cref="ArgumentException">The block is not in use: it was freed before.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Free(Allocation block)
    {
        if (!_closed) // The device gave all memory back when it was disposed.
        {
            _top.Free(block);
        }
    }

    /// <summary>
    /// Notes that a stream has just been given work that uses a block of another stream, so that the block is not used
    /// again before that work has run. Tensors and <see cref="DeviceMemory{T}"/> do it themselves.
    /// </summary>
    /// <param name="block">A block in use.</param>
    /// <param name="stream">The stream that was given the work.</param>
    /// <exception cref="ArgumentException">The block is not in use, or the stream belongs to another device.</exception>
    public void NoteUse(Allocation block, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        CheckDevice(stream);
        _top.NoteUse(block, Owner(stream));
    }

    /// <summary>
    /// Makes a plan for a step that repeats on a stream, such as one of training: <c>using (plan.Begin())</c> around each.
    /// </summary>
    /// <param name="stream">The stream that allocates the step's blocks.</param>
    /// <returns>The plan, which the caller disposes.</returns>
    /// <exception cref="ArgumentException">The stream belongs to another device.</exception>
    public StepPlan PlanSteps(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        CheckDevice(stream);
        return new StepPlan(_steps, _retry, stream.Clock);
    }

    /// <summary>Waits for all streams and gives all pages without a block in use back to the device.</summary>
    /// <returns>Bytes given back.</returns>
    /// <exception cref="ObjectDisposedException">The device was disposed: its addresses may be somebody else's.</exception>
    public long Trim()
    {
        ObjectDisposedException.ThrowIf(_closed, _device);
        FreeAbandoned();
        return _pool.Trim(wait: true);
    }

    /// <summary>Starts the peaks of <see cref="Statistics"/> again from what is in use now.</summary>
    public void ResetPeaks() => _pool.ResetPeaks();

    /// <summary>Names the blocks in use now and those whose owners were collected without having been disposed.</summary>
    public LeakReport Leaks()
    {
        FreeAbandoned();
        IEnumerable<LeakedBlock> live = _top.Regions()
            .Where(region => region.State == RegionState.Live)
            .Select(region => new LeakedBlock(region.Address, region.Requested, region.Stack?.Calls, false));
        lock (_gate)
        {
            return new LeakReport([.. live.Concat(_host.Live).Concat(_finalized).OrderByDescending(block => block.Bytes)]);
        }
    }

    /// <summary>
    /// The memory as it is now and, when <see cref="DeviceOptions.MemoryHistory"/> is set, how it came about. What other
    /// threads allocate meanwhile may be in one of the two only.
    /// </summary>
    public MemorySnapshot Snapshot()
    {
        FreeAbandoned();
        (ImmutableArray<MemoryEvent> events, long forgotten) = _history?.Read() ?? ([], 0);
        return new MemorySnapshot
        {
            Device = $"{_device.Name}, {_device.Info.Name}",
            Taken = DateTimeOffset.Now,
            Statistics = Statistics,
            Segments = SnapshotBuilder.Segments(_steps.Regions(), region => _recorder?.StackOf(region)),
            History = events,
            ForgottenEvents = forgotten,
        };
    }

    /// <summary>All regions that have memory behind them, by address; a run without gaps is one segment.</summary>
    internal List<RegionInfo> Regions() => _top.Regions();

    internal void AddStream(Stream stream)
    {
        lock (_gate)
        {
            _streams.Bind(stream.Clock, stream); // First: the pool makes streams wait for every one that it has.
            _pool.AddStream(stream.Clock);
        }
    }

    /// <summary>A stream whose work has all run is going.</summary>
    internal void RetireStream(Stream stream)
    {
        lock (_gate)
        {
            _streams.Bind(stream.Clock, null);
            _pool.RetireStream(stream.Clock);
        }
    }

    /// <summary>
    /// Makes an owner of what a graph that is being recorded allocates for a stream. Nothing is ever known to come after an
    /// owner's work, so whoever else asks does not get its memory before it is retired; within the recording freed
    /// blocks are used again.
    /// </summary>
    internal int AddOwner(Stream stream)
    {
        lock (_gate)
        {
            int owner = _device.Clocks.AddStream();
            _streams.Bind(owner, null);
            _pool.AddStream(owner);
            _device.Races?.Alias(owner, stream.Clock);
            return owner;
        }
    }

    /// <summary>Gives an owner's memory to everybody; the launches of its graph have run.</summary>
    internal void RetireOwner(int owner)
    {
        lock (_gate)
        {
            _pool.RetireStream(owner);
            _device.Races?.Disposed(owner);
            _device.Clocks.RemoveStream(owner);
        }
    }

    /// <summary>Takes what a finaliser found. Only queues: the driver is called by the next ordinary call.</summary>
    internal void Abandon(AbandonedResource resource)
    {
        _abandoned.Enqueue(resource);
        _hasAbandoned = true;
    }

    /// <summary>Allocates pinned host memory; it is not cached.</summary>
    internal nint AllocateHost(long bytes) => _host.Allocate(bytes);

    /// <summary>Frees pinned host memory.</summary>
    internal void FreeHost(nint memory) => _host.Free(memory);

    /// <summary>Gives all memory back; the streams are gone.</summary>
    internal void Close()
    {
        FreeAbandoned();
        _closed = true;
        _pool.Release();
        _host.Clear();
    }

    /// <summary>The layers that the options ask for: those that look at bytes below those that only watch.</summary>
    private Allocator Layered(Allocator top, RaceDetector? races, DeviceOptions options)
    {
        MemoryChecks checks = options.MemoryChecks;
        top = options.CaptureCallSites ? new TrackingLayer(top) : top;
        top = checks.PoisonFreed ? new PoisonLayer(top, _streams) : top;
        top = checks.RedZoneBytes is { } bytes ? new RedZoneLayer(top, _streams, bytes) : top;
        top = races is not null ? new RaceLayer(top, races) : top;
        top = checks.Validate ? new ValidatingLayer(top, _pool) : top;
        top = checks.FailAllocation is { } failing ? new FailingLayer(top, failing) : top;
        return options.Layer?.Invoke(top) ?? top;
    }

    /// <summary>In whose name a stream's work uses memory.</summary>
    private static int Owner(Stream stream) => Graph.Recording is { } graph ? graph.OwnerOf(stream) : stream.Clock;

    private void CheckDevice(Stream stream)
    {
        if (!ReferenceEquals(stream.Device, _device))
        {
            throw new ArgumentException("the stream belongs to another device than the memory", nameof(stream));
        }
    }

    private DeviceOutOfMemoryException OutOfMemory(long bytes, int stream)
    {
        DeviceInfo info = _device.Info;
        return new DeviceOutOfMemoryException(
            bytes,
            OutOfMemoryReport.Text(_device.Name, bytes, info.MemoryBytes, _device.Driver.AvailableMemory, _limit, Statistics, _top.Regions()));
    }

    /// <summary>Frees what finalisers queued.</summary>
    private void FreeAbandoned()
    {
        _hasAbandoned = false;
        while (_abandoned.TryDequeue(out AbandonedResource resource))
        {
            if (resource.Kind == AbandonedKind.Event)
            {
                _ = _device.Driver.DestroyEvent(new aios_event { Value = resource.Handle });
            }
            else if (!_closed)
            {
                RegionInfo region = _top.Find(resource.Block);
                lock (_gate)
                {
                    _finalized.Add(new LeakedBlock(region.Address, region.Requested, region.Stack?.Calls, true));
                }

                _device.Races?.Collected(region.Address, region.Stream);
                _top.Free(resource.Block);
            }
        }
    }
}

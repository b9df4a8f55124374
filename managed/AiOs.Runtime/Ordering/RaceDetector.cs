using System.Collections.Concurrent;
using System.Diagnostics;
using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>
/// Finds work and host accesses of the same bytes that nothing orders, whether or not they met this time. On when the
/// device was opened with <see cref="DeviceOptions.DetectRaces"/>; then a race throws <see cref="RaceException"/> where
/// the second of the two accesses is made.
/// </summary>
/// <remarks>
/// <para>
/// Every launch, copy and fill tells what it accesses before it is enqueued (see <see cref="KernelTable.Observed"/>),
/// and so do allocation, free and <see cref="Stream.Declare"/>. An access is in conflict with an earlier one of the same
/// bytes when either writes and the <see cref="ClockTable"/> does not know the earlier to come first: it decides by
/// what was enqueued, not by when it ran. Whoever reads or writes memory on the host must have waited.
/// </para>
/// <para>
/// What it cannot see: a <see cref="Span{T}"/> of pinned memory that is taken before work on the memory is enqueued and
/// used afterwards, and ordinary host memory that is no <see cref="PinnedMemory{T}"/>.
/// </para>
/// </remarks>
public sealed class RaceDetector
{
    /// <summary>The host in the place of a stream's number.</summary>
    internal const int Host = -1;

    /// <summary>Name of the operation that gives a block out.</summary>
    internal const string Allocation = "allocation";

    [ThreadStatic]
    private static RaceReport? t_pending;

    private readonly Device _device;
    private readonly LaunchObserver _observer;
    private readonly BlockMap _blocks;
    private readonly ConcurrentDictionary<aios_stream, Stream> _streams = new();
    private readonly ConcurrentDictionary<int, int> _aliases = new();
    private readonly List<RaceReport> _reports = [];
    private readonly Lock _gate = new();
    private bool _threw;

    internal RaceDetector(Device device)
    {
        _device = device;
        _blocks = new BlockMap(device.Clocks);
        _observer = new LaunchObserver(this, device.Driver.Kernels);
    }

    /// <summary>
    /// Whether a race throws; on at first. When off, races are only added to <see cref="Reports"/>, and the program goes
    /// on as it would without the detector. Once one was thrown, frees throw no more: they come from the blocks that the
    /// exception leaves.
    /// </summary>
    public bool Throws { get; set; } = true;

    /// <summary>What was found so far.</summary>
    public IReadOnlyList<RaceReport> Reports
    {
        get
        {
            lock (_gate)
            {
                return [.. _reports];
            }
        }
    }

    /// <summary>Makes memory known that another library allocated. The same may be imported several times.</summary>
    internal void Import(nint address, long bytes)
    {
        lock (_gate)
        {
            if (bytes > 0)
            {
                _blocks.Import(address, address + bytes);
            }
        }
    }

    /// <summary>Takes one import back.</summary>
    internal void Release(nint address)
    {
        lock (_gate)
        {
            _blocks.Release(address);
        }
    }

    internal void Add(Stream stream)
    {
        _streams[stream.Handle] = stream;
        _observer.Observe(stream.Handle);
    }

    internal void Remove(aios_stream stream)
    {
        AccessObserver.Forget(stream);
        _streams.TryRemove(stream, out _);
    }

    /// <summary>Notes that a block was given out, for a stream or for the host.</summary>
    /// <exception cref="RaceException">Work of its earlier owner still uses it.</exception>
    internal void Allocated(nint address, long bytes, int clock)
    {
        Operation operation = Note(Allocation, clock);
        var whole = new RangeAccess("", new StridedRange(address, Math.Max(1, bytes)), true);
        lock (_gate)
        {
            KnownBlock block = _blocks.Allocate(address, address + Math.Max(1, bytes), operation, IsGraphs(clock) ? clock : null);
            Judge(RaceKind.ReusedTooEarly, operation, whole, block.History);
        }

        ThrowPending();
    }

    /// <summary>Notes that a block is about to be freed, by a stream or by the host.</summary>
    /// <exception cref="RaceException">Another stream still uses it.</exception>
    internal void Freed(nint address, int clock)
    {
        Operation operation = Note("free", clock);
        lock (_gate)
        {
            // The memory of a graph stays in use as long as the graph can be launched; what is not freed by then is freed later.
            if (!IsGraphs(clock) && _blocks.Find(address) is { } block && block.Start == address
                && (block.Freed is null || block.Graph is not null))
            {
                var whole = new RangeAccess("", new StridedRange(address, block.End - block.Start), true);
                Judge(RaceKind.FreedTooEarly, operation, whole, block.History);
                _blocks.Free(block, operation);
            }
        }

        ThrowPending();
    }

    /// <summary>Notes a free that the allocator makes safe: it knows the uses and waits for them.</summary>
    internal void Collected(nint address, int clock)
    {
        Operation operation = Note("free", Host);
        lock (_gate)
        {
            if (!IsGraphs(clock) && _blocks.Find(address) is { Freed: null } block && block.Start == address)
            {
                _blocks.Free(block, operation);
            }
        }
    }

    /// <summary>Notes that a graph was disposed, whose memory an owner had.</summary>
    internal void Disposed(int owner)
    {
        Operation operation = Note("graph disposal", Host);
        lock (_gate)
        {
            _blocks.FreeGraph(owner, operation);
        }

        _aliases.TryRemove(owner, out _);
    }

    /// <summary>Notes that the host accesses device or pinned memory now.</summary>
    /// <exception cref="RaceException">Work in flight uses it, or it is not allocated.</exception>
    internal void HostAccess(nint address, long bytes, bool isWrite)
    {
        if (bytes > 0)
        {
            // A function that a stream calls has its place in the stream's order, whenever it runs.
            HostCall? call = HostCall.Running;
            Operation operation = call?.Place ?? Note("host", call?.Stream.Clock ?? Host);
            var access = new RangeAccess("", new StridedRange(address, bytes), isWrite);
            lock (_gate)
            {
                if (Judge(operation, access) && call?.Place is not null)
                {
                    HistoryOf(operation, access)?.Add(operation, access);
                }
            }

            ThrowPending();
        }
    }

    /// <summary>Notes work that is about to be enqueued.</summary>
    /// <exception cref="RaceException">An access is in conflict, or its memory is not allocated.</exception>
    internal void Enqueue(Stream stream, string name, ReadOnlySpan<RangeAccess> accesses)
    {
        if (Admit(stream, name, accesses) is { } operation)
        {
            Close(operation, accesses, wasEnqueued: true);
        }

        ThrowPending();
    }

    /// <summary>Notes a launch that is about to be enqueued; null when it must not be, and <see cref="ThrowPending"/> says why.</summary>
    internal Operation? Admit(Stream stream, string name, ReadOnlySpan<RangeAccess> accesses)
    {
        Operation operation = Note(name, stream.Clock);
        operation.IsCaptured = stream.IsCapturing;
        lock (_gate)
        {
            bool isFine = true;
            operation.Node = operation.IsCaptured ? GraphAccesses.Set(stream, accesses, _blocks) : null;
            foreach (RangeAccess access in accesses)
            {
                // What is captured does not run: it is in conflict with other nodes only.
                isFine &= !operation.IsCaptured ? Judge(operation, access)
                    : operation.Node?.Before is not { } nodes || Judge(RaceKind.Unordered, operation, access, nodes);
            }

            if (!isFine && Throws)
            {
                operation.Node?.Withdraw();
                return null;
            }

            foreach (RangeAccess access in accesses)
            {
                HistoryOf(operation, access)?.Add(operation, access);
            }
        }

        return operation;
    }

    /// <summary>Notes whether what was admitted has been enqueued. What was refused never runs, and stands for nothing else.</summary>
    internal void Close(Operation operation, ReadOnlySpan<RangeAccess> accesses, bool wasEnqueued)
    {
        operation.IsWithdrawn = !wasEnqueued;
        if (!wasEnqueued)
        {
            operation.Node?.Withdraw();
            return;
        }

        lock (_gate)
        {
            foreach (RangeAccess access in accesses)
            {
                HistoryOf(operation, access)?.Forget(operation, access);
            }
        }
    }

    /// <summary>Notes a launch of a graph that is about to be enqueued.</summary>
    /// <exception cref="RaceException">An access of a node is in conflict with work before, or its memory is gone.</exception>
    internal void Launch(Stream stream, GraphAccesses accesses)
    {
        Operation operation = Note("graph", stream.Clock);
        lock (_gate)
        {
            bool isFine = true;
            foreach ((RangeAccess access, Operation? allocated) in accesses.All)
            {
                KnownBlock? found = _blocks.Find(access.Range.Start);
                if (found is null or { Freed: not null })
                {
                    isFine &= Judge(operation, access);
                }
                else if (allocated is not null && found.Allocated != allocated)
                {
                    RaceSide? next = found.Allocated?.Side("", true);
                    isFine &= Report(RaceKind.AfterFree, operation, access, next, access.Range.Start, access.Range.Bytes);
                }

                foreach (KnownBlock block in _blocks.Overlapping(access.Range.Start, access.Range.End))
                {
                    isFine &= Judge(RaceKind.Unordered, operation, access, block.History);
                }
            }

            foreach ((RangeAccess access, _) in isFine || !Throws ? accesses.All : [])
            {
                foreach (KnownBlock block in _blocks.Overlapping(access.Range.Start, access.Range.End))
                {
                    block.History.Add(operation, access);
                    block.History.Forget(operation, access);
                }
            }
        }

        ThrowPending();
    }

    /// <summary>Whether a range is all in memory that is watched, which ordinary host memory is not.</summary>
    internal bool Knows(nint address, long bytes)
    {
        lock (_gate)
        {
            return _blocks.Find(address) is { Freed: null } block && address + bytes <= block.End;
        }
    }

    /// <summary>Whether the host can read device memory now, as work enqueued now on the stream will find it.</summary>
    internal bool IsReadable(Stream stream, nint address, long bytes)
    {
        if (_device.Driver.InterchangeDevice.type != aios_dlpack_device_type.Cpu)
        {
            return false;
        }

        var access = new RangeAccess("", new StridedRange(address, bytes), false);
        lock (_gate)
        {
            if (_blocks.Find(address) is not { Freed: null } block || address + bytes > block.End)
            {
                return false;
            }

            if (block.History.FindConflict(access, null, out _, out _) is null)
            {
                return true;
            }
        }

        // Past the stream's own methods, which would make what is done known to the clocks: detection must not order.
        _ = _device.Driver.Synchronize(stream.Handle);
        return true;
    }

    internal Stream? Find(aios_stream handle) => _streams.GetValueOrDefault(handle);

    /// <summary>Throws what the calling thread's last access was found to be.</summary>
    internal static void ThrowPending()
    {
        if (t_pending is { } report)
        {
            t_pending = null;
            throw new RaceException(report);
        }
    }

    /// <summary>What is noted for one clock counts as another one's from now on: that of a graph as its stream's.</summary>
    internal void Alias(int clock, int of) => _aliases[clock] = of;

    private bool IsGraphs(int clock) => _aliases.GetValueOrDefault(clock, clock) != clock;

    /// <summary>What is given to a stream now, or done by the host.</summary>
    internal Operation Note(string name, int clock)
    {
        clock = _aliases.GetValueOrDefault(clock, clock);
        return clock == Host ? new Operation(name, Host, 0, new VectorClock(), new StackTrace(false))
            : new Operation(name, clock, _device.Clocks.Pending(clock), _device.Clocks.Save(clock), new StackTrace(false));
    }

    private AccessHistory? HistoryOf(Operation operation, in RangeAccess access) =>
        operation.IsCaptured ? operation.Node?.Before : _blocks.Find(access.Range.Start)?.History;

    private bool Judge(Operation operation, in RangeAccess access)
    {
        KnownBlock? block = _blocks.Find(access.Range.Start);
        if (block is null || access.Range.Start >= block.End || access.Range.End > block.End)
        {
            long valid = block is null ? access.Range.Start : Math.Max(access.Range.Start, block.End);
            return Report(RaceKind.OutOfBounds, operation, access, null, valid, access.Range.End - valid);
        }

        if (block.Freed is { } freed)
        {
            return Report(RaceKind.AfterFree, operation, access, freed.Side("", true), access.Range.Start, access.Range.Bytes);
        }

        return Judge(operation.Clock == Host ? RaceKind.HostTooEarly : RaceKind.Unordered, operation, access, block.History);
    }

    private bool Judge(RaceKind kind, Operation operation, in RangeAccess access, AccessHistory history) =>
        history.FindConflict(access, operation, out long start, out long end) is not { } past
        || Report(kind, operation, access, past.Operation.Side(past.Access.Name, past.Access.IsWrite), start, end - start);

    private bool Report(RaceKind kind, Operation operation, in RangeAccess access, RaceSide? first, long start, long bytes)
    {
        RaceSide second = operation.Side(access.Name, access.IsWrite) with { Stack = Operation.Text(new StackTrace(true)) };
        var report = new RaceReport(kind, second, first, access.Range, start, bytes);
        _reports.Add(report);
        if (Throws && !(_threw && kind == RaceKind.FreedTooEarly))
        {
            _threw = true;
            t_pending ??= report;
        }

        return false;
    }
}

namespace AiOs.Runtime;

/// <summary>
/// Enqueues operations on the streams of lanes, so that copies, compute and collectives overlap, and makes each wait for
/// those earlier ones that it depends on: by what they say they read and write, byte by byte. The result is that of
/// running the operations one after the other in the order they were given.
/// </summary>
/// <remarks>
/// An operation comes after the last write of what it accesses, and after the reads since then of what it writes. Of the
/// streams of its lane it gets the one on which it has to wait for the fewest others. Waits that other waits imply are
/// left out (<see cref="ClockTable"/>). Memory that was named by views or blocks may be freed right after the operation
/// was given; memory that was named by addresses only after the stream it belongs to was <see cref="Join">joined</see>.
/// Safe for use by several threads.
/// </remarks>
public sealed class StreamScheduler : IDisposable
{
    private const int LeastPruned = 256;

    private readonly Device _device;
    private readonly UseMap _uses = new();
    private readonly List<ScheduledStream> _streams = [];
    private readonly (int First, int Count)[] _lanes = new (int, int)[3];
    private readonly Lock _gate = new();
    private long[] _after = [];
    private int[] _clocks = [];
    private long _operations, _dependencies, _waits;
    private int _pruneAt = LeastPruned;

    /// <summary>Makes the streams of the lanes.</summary>
    /// <param name="device">The device.</param>
    /// <param name="options">How many streams; null for the defaults.</param>
    public StreamScheduler(Device device, StreamSchedulerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        options ??= new StreamSchedulerOptions();
        _device = device;
        ArgumentOutOfRangeException.ThrowIfLessThan(options.ComputeStreams, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.CopyStreams, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.CollectiveStreams, 1);
        AddLane(Lane.Compute, options.ComputeStreams);
        AddLane(Lane.Copy, options.CopyStreams);
        AddLane(Lane.Collective, options.CollectiveStreams);
    }

    /// <summary>The numbers so far.</summary>
    public StreamSchedulerStatistics Statistics
    {
        get
        {
            lock (_gate)
            {
                return new StreamSchedulerStatistics(_operations, _dependencies, _waits);
            }
        }
    }

    /// <summary>Enqueues an operation on a stream of a lane.</summary>
    /// <typeparam name="TState">Type of what the operation needs.</typeparam>
    /// <param name="lane">The lane.</param>
    /// <param name="state">What the operation needs; given to a static lambda, it saves an object per call.</param>
    /// <param name="enqueue">Enqueues the operation on the stream it is given, and only there.</param>
    /// <param name="accesses">All memory that the operation reads and writes.</param>
    public void Run<TState>(Lane lane, TState state, Action<Stream, TState> enqueue, params ReadOnlySpan<Access> accesses)
    {
        ArgumentNullException.ThrowIfNull(enqueue);
        lock (_gate)
        {
            (int first, int count) = _lanes[(int)lane];
            Require(accesses);
            Enqueue(Choose(first, count), state, enqueue, accesses);
        }
    }

    /// <summary>Enqueues an operation on a stream of the caller, which is joined when it was not before.</summary>
    /// <inheritdoc cref="Run{TState}(Lane, TState, Action{Stream, TState}, ReadOnlySpan{Access})"/>
    /// <param name="stream">The stream.</param>
    /// <param name="state">What the operation needs.</param>
    /// <param name="enqueue">Enqueues the operation on the stream.</param>
    /// <param name="accesses">All memory that the operation reads and writes.</param>
    public void Run<TState>(Stream stream, TState state, Action<Stream, TState> enqueue, params ReadOnlySpan<Access> accesses)
    {
        ArgumentNullException.ThrowIfNull(enqueue);
        lock (_gate)
        {
            int index = _streams.FindIndex(scheduled => ReferenceEquals(scheduled.Stream, stream));
            if (index < 0)
            {
                index = _streams.Count;
                Join(stream);
            }

            Require(accesses);
            Enqueue(index, state, enqueue, accesses);
        }
    }

    /// <summary>
    /// Orders the scheduler and a stream of the caller: what either is given from now on comes after what the other was
    /// given before.
    /// </summary>
    /// <param name="stream">A stream of the same device.</param>
    public void Join(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        _device.Require(stream.Device, "stream", nameof(stream));
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_streams.Count == 0, this);
            int index = _streams.FindIndex(scheduled => ReferenceEquals(scheduled.Stream, stream));
            if (index < 0)
            {
                index = _streams.Count;
                Add(stream, isOwned: false);
            }

            ScheduledStream joined = _streams[index];
            long given = _device.Clocks.Upcoming(stream.Clock);
            joined.Close(given);
            for (int i = 0; i < _streams.Count; i++)
            {
                ScheduledStream other = _streams[i];
                if (i != index && !other.Stream.IsDisposed)
                {
                    long stamp = _device.Clocks.Upcoming(other.Stream.Clock);
                    other.Close(stamp);
                    stream.WaitFor(other.Behind(stamp));
                    other.Stream.WaitFor(joined.Behind(given));
                }
            }
        }
    }

    /// <summary>
    /// Waits on the host for the operations that the host's own accesses have to come after. What failed on a stream that these
    /// only depend on is thrown by <see cref="Synchronize"/>.
    /// </summary>
    /// <param name="accesses">What the host is about to read and write.</param>
    /// <exception cref="BackendException">Work of the streams of these operations failed.</exception>
    public void WaitFor(params ReadOnlySpan<Access> accesses)
    {
        lock (_gate)
        {
            Require(accesses);
            for (int i = 0; i < _streams.Count; i++)
            {
                if (_after[i] > 0 && !_device.Clocks.IsDone(_clocks[i], _after[i]))
                {
                    _streams[i].Behind(_after[i]).Synchronize();
                    _ = _streams[i].Stream.IsIdle; // An event completes even when the work before it failed; this throws then.
                }
            }
        }
    }

    /// <summary>Waits for all work of all streams.</summary>
    /// <exception cref="BackendException">Work failed.</exception>
    public void Synchronize()
    {
        lock (_gate)
        {
            foreach (ScheduledStream scheduled in _streams)
            {
                scheduled.Stream.Synchronize();
            }
        }
    }

    /// <summary>Waits for the work and destroys the streams of the lanes.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            foreach (ScheduledStream scheduled in _streams)
            {
                scheduled.Dispose();
            }

            _streams.Clear();
        }
    }

    private void AddLane(Lane lane, int count)
    {
        _lanes[(int)lane] = (_streams.Count, count);
        for (int i = 0; i < count; i++)
        {
            // Copies and collectives are short of work for the processor, and others wait for them.
            StreamPriority priority = lane == Lane.Compute ? StreamPriority.Normal : StreamPriority.High;
            Add(_device.CreateStream(new StreamOptions { Name = $"{lane} {i}", Priority = priority }), isOwned: true);
        }
    }

    private void Add(Stream stream, bool isOwned)
    {
        _streams.Add(new ScheduledStream(stream, isOwned));
        _after = new long[_streams.Count];
        _clocks = [.. _streams.Select(scheduled => scheduled.Stream.Clock)];
    }

    /// <summary>Finds out, for each stream, after which stamp of it an operation with these accesses comes.</summary>
    private void Require(ReadOnlySpan<Access> accesses)
    {
        ObjectDisposedException.ThrowIf(_streams.Count == 0, this);
        Array.Clear(_after);
        foreach (Access access in accesses)
        {
            _uses.Require(access.Address, access.Address + access.Bytes, access.IsWrite, _after);
        }
    }

    private int Choose(int first, int count)
    {
        int best = first, fewest = int.MaxValue;
        for (int i = first; i < first + count; i++)
        {
            int waits = 0;
            for (int other = 0; other < _streams.Count; other++)
            {
                waits += IsBefore(other, i) ? 0 : 1;
            }

            if (waits < fewest || (waits == fewest && _streams[i].LastUse < _streams[best].LastUse))
            {
                (best, fewest) = (i, waits);
            }
        }

        return best;
    }

    private void Enqueue<TState>(int index, TState state, Action<Stream, TState> enqueue, ReadOnlySpan<Access> accesses)
    {
        ScheduledStream target = _streams[index];
        for (int other = 0; other < _streams.Count; other++)
        {
            _dependencies += other != index && _after[other] > 0 ? 1 : 0;
            if (!IsBefore(other, index))
            {
                target.Stream.WaitFor(_streams[other].Behind(_after[other]));
                _waits++;
            }
        }

        long stamp = _device.Clocks.Upcoming(target.Stream.Clock);
        foreach (Access access in accesses)
        {
            _uses.Note(access.Address, access.Address + access.Bytes, access.IsWrite, index, stamp);
            access.NoteUse(target.Stream);
        }

        target.LastUse = ++_operations;
        try
        {
            enqueue(target.Stream, state);
        }
        finally
        {
            target.Close(stamp);
        }

        if (_uses.Count >= _pruneAt)
        {
            _uses.Prune(_device.Clocks, _clocks);
            _pruneAt = Math.Max(LeastPruned, 2 * _uses.Count);
        }
    }

    private bool IsBefore(int other, int index) =>
        _after[other] == 0 || _device.Clocks.IsOrdered(_clocks[index], _clocks[other], _after[other]);
}

namespace AiOs.Runtime;

/// <summary>
/// Which work of a device comes before which, by vector clocks (Mattern, "Virtual time and global states of distributed
/// systems", 1989), so that it can be asked without asking the device. The allocator asks before it hands a block from
/// one stream to another, the race detector before it believes that two accesses are ordered.
/// </summary>
/// <remarks>
/// <para>
/// The epochs of a stream are numbered by its releases: the points at which others can learn how far it is, which are
/// recorded events and waits of the host. Launches do not count, so they cost nothing. Work that was enqueued is
/// covered by the stream's next release; that number, <see cref="Pending"/>, is its stamp.
/// </para>
/// <para>
/// Whoever stamps work before enqueuing it must not have it called done by somebody who waits for the stream in between.
/// So the number of its user's next release, <see cref="Upcoming"/>, is a million ahead, and releases of others (<see
/// cref="RecordAside"/>: the allocator, waits for a whole device) count on one by one: there can be any number of them, and
/// only a million between the stamp and its work would reach it.
/// </para>
/// <para>
/// A stream's own clock holds, for every other stream, the last release it has waited for. What the host has seen to be
/// done (by waiting or by asking) is done for everybody who enqueues afterwards, on whatever thread, so there is one
/// clock for the host. Stamps with (stream, epoch) as in Flanagan and Freund, "FastTrack", PLDI 2009.
/// </para>
/// </remarks>
internal sealed class ClockTable
{
    /// <summary>How far ahead a user's next release is: the numbers before it are for those of others.</summary>
    private const int Lead = 1 << 20;

    private readonly Lock _gate = new();
    private readonly List<VectorClock> _streams = [];
    private readonly List<long> _released = [];
    private readonly List<long> _upcoming = [];
    private readonly Stack<int> _retired = new();
    private readonly VectorClock _host = new();

    /// <summary>Makes room for a stream. The number of a removed one may come again; its epochs go on.</summary>
    public int AddStream()
    {
        lock (_gate)
        {
            if (_retired.TryPop(out int stream))
            {
                return stream;
            }

            _streams.Add(new VectorClock());
            _released.Add(0);
            _upcoming.Add(0);
            return _streams.Count - 1;
        }
    }

    /// <summary>Takes a stream out whose work has all run.</summary>
    public void RemoveStream(int stream)
    {
        lock (_gate)
        {
            _host.Join(_streams[stream]); // What it waited for has run, too.
            _host.Raise(stream, _released[stream] = Next(stream));
            _streams[stream].Clear();
            _retired.Push(stream);
        }
    }

    /// <summary>The stamp of what the stream has been given so far: the epoch of its next release, whoever makes it.</summary>
    public long Pending(int stream)
    {
        lock (_gate)
        {
            return _released[stream] + 1;
        }
    }

    /// <summary>The stamp of what the calling thread is about to give the stream: the epoch of its user's next release.</summary>
    public long Upcoming(int stream)
    {
        lock (_gate)
        {
            return _upcoming[stream] = _released[stream] + Lead;
        }
    }

    /// <summary>
    /// True when work of <paramref name="other"/> with the given stamp comes before whatever <paramref name="stream"/>
    /// is given from now on.
    /// </summary>
    public bool IsOrdered(int stream, int other, long stamp)
    {
        lock (_gate)
        {
            return stream == other || _host[other] >= stamp || _streams[stream][other] >= stamp;
        }
    }

    /// <summary>True when the host has seen work of the stream with the given stamp done.</summary>
    public bool IsDone(int stream, long stamp)
    {
        lock (_gate)
        {
            return _host[stream] >= stamp;
        }
    }

    /// <summary>
    /// A release by the stream's user that <paramref name="recorded"/> stands for from now on: all the stream was given so far.
    /// </summary>
    public void Record(int stream, VectorClock recorded)
    {
        lock (_gate)
        {
            Record(stream, Next(stream), recorded);
        }
    }

    /// <summary>
    /// A release by anybody that <paramref name="recorded"/> stands for from now on: what the stream was given so far, without
    /// what was stamped as <see cref="Upcoming"/> since its user's last release.
    /// </summary>
    public void RecordAside(int stream, VectorClock recorded)
    {
        lock (_gate)
        {
            Record(stream, _released[stream] + 1, recorded);
        }
    }

    /// <summary>What the stream is given from now on comes after what <paramref name="recorded"/> stands for.</summary>
    public void Wait(int stream, VectorClock recorded)
    {
        lock (_gate)
        {
            _streams[stream].Join(recorded);
        }
    }

    /// <summary>What the stream is known to come after, for <see cref="Restore"/>.</summary>
    public VectorClock Save(int stream)
    {
        lock (_gate)
        {
            var saved = new VectorClock();
            saved.Join(_streams[stream]);
            return saved;
        }
    }

    /// <summary>Forgets what the stream has waited for since its clock was saved.</summary>
    public void Restore(int stream, VectorClock saved)
    {
        lock (_gate)
        {
            _streams[stream].Clear();
            _streams[stream].Join(saved);
        }
    }

    /// <summary>
    /// A copy for the calling thread of what an event stands for, to be taken before the device is asked about it: the
    /// answer may already be about a later recording.
    /// </summary>
    public VectorClock Copy(VectorClock recorded)
    {
        VectorClock copy = VectorClock.Scratch;
        lock (_gate)
        {
            copy.Join(recorded);
        }

        return copy;
    }

    /// <summary>The host has seen that done which <paramref name="recorded"/> stands for.</summary>
    public void Observe(VectorClock recorded)
    {
        lock (_gate)
        {
            _host.Join(recorded);
        }
    }

    /// <summary>The number of a release by the stream's user, which covers all that was stamped.</summary>
    private long Next(int stream) => Math.Max(_released[stream] + 1, _upcoming[stream]);

    private void Record(int stream, long release, VectorClock recorded)
    {
        _released[stream] = release;
        recorded.Clear();
        recorded.Join(_streams[stream]);
        recorded.Join(_host);
        recorded.Raise(stream, release);
    }
}

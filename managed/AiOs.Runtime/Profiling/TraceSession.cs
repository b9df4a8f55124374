using System.Collections.Concurrent;
using System.Diagnostics;
using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>
/// Records which commands a device runs when, what the host does (the activities of all sources named <c>AiOs.*</c>) and
/// how much memory is in use. There can be one per process at a time.
/// </summary>
public sealed class TraceSession : IDisposable
{
    /// <summary>Commands that there is room for unless somebody asks for more: about 30 MiB.</summary>
    public const int DefaultCapacity = 1 << 18;

    private static readonly TimeSpan SampleInterval = TimeSpan.FromMilliseconds(2);

    private readonly Device _device;
    private readonly ConcurrentQueue<HostSpan> _spans = new();
    private readonly ConcurrentQueue<MemorySample> _memory = new();
    private readonly ActivityListener _listener;
    private readonly Timer _sampler;
    private bool _stopped;

    private TraceSession(Device device, int capacity)
    {
        _device = device;
        device.Check(device.Driver.StartTrace(capacity), "trace_start");
        _listener = new ActivityListener
        {
            ShouldListenTo = RuntimeTelemetry.IsOurs,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.PropagationData,
            ActivityStarted = activity => activity.SetCustomProperty(nameof(HostSpan), (Stopwatch.GetTimestamp(), Environment.CurrentManagedThreadId)),
            ActivityStopped = Note,
        };
        ActivitySource.AddActivityListener(_listener);
        _sampler = new Timer(_ => Sample(), null, TimeSpan.Zero, SampleInterval);
    }

    /// <summary>Begins to record.</summary>
    /// <param name="device">Whose commands and memory are recorded.</param>
    /// <param name="capacity">Commands that there is room for; more are counted but lost.</param>
    /// <returns>The session: stop it, or dispose it to forget what it has.</returns>
    /// <exception cref="BackendException">Something else records a trace.</exception>
    public static TraceSession Start(Device device, int capacity = DefaultCapacity)
    {
        ArgumentNullException.ThrowIfNull(device);
        return new TraceSession(device, capacity);
    }

    /// <summary>Ends the recording. Streams that are still alive are named in it.</summary>
    /// <exception cref="InvalidOperationException">It was stopped before.</exception>
    public TraceLog Stop()
    {
        if (_stopped)
        {
            throw new InvalidOperationException("the trace was stopped before");
        }

        Sample();
        aios_status status = End(out long count, out long dropped);
        _device.Check(status, "trace_stop");
        var records = new TraceRecord[count];
        for (long i = 0; i < count; i++)
        {
            _device.Check(_device.Driver.ReadTrace(i, out records[i]), "trace_read");
        }

        // Of several streams' commands that end together, the later may have been recorded first.
        records = [.. records.OrderBy(record => record.EndNs)];
        return new TraceLog(_device.Name, records, dropped, _device.StreamNames(), [.. _spans], [.. _memory]) { Problem = _device.Driver.TraceProblem };
    }

    /// <summary>Ends the recording, if it goes on, and forgets it.</summary>
    public void Dispose()
    {
        if (!_stopped)
        {
            _ = End(out _, out _);
        }
    }

    /// <summary>Nanoseconds of the monotonic clock.</summary>
    internal static long Nanoseconds(long timestamp) => (long)(timestamp * (1e9 / Stopwatch.Frequency));

    private aios_status End(out long records, out long dropped)
    {
        _stopped = true;
        _listener.Dispose();
        using var sampled = new ManualResetEvent(false);
        if (_sampler.Dispose(sampled))
        {
            sampled.WaitOne();
        }

        return _device.Driver.StopTrace(out records, out dropped);
    }

    private void Note(Activity activity)
    {
        if (activity.GetCustomProperty(nameof(HostSpan)) is (long start, int thread))
        {
            _spans.Enqueue(new HostSpan(activity.OperationName, thread, Nanoseconds(start), Nanoseconds(Stopwatch.GetTimestamp())));
        }
    }

    private void Sample()
    {
        AllocatorStatistics now = _device.Memory.Statistics;
        _memory.Enqueue(new MemorySample(Nanoseconds(Stopwatch.GetTimestamp()), now.AllocatedBytes, now.ReservedBytes));
    }
}

using System.Diagnostics;
using System.Runtime.InteropServices;
using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>
/// Work that was recorded once and is launched again and again: a launch costs a fraction of enqueuing the work anew.
/// It runs with the addresses and numbers with which it was recorded, except where <see cref="Update"/> gives others.
/// Not safe for use by several threads at once.
/// </summary>
/// <remarks>
/// <para>
/// Launches of a graph run one after the other, on whatever streams. Branches that events drew into the capture run at
/// the same time. Errors stick to the stream of the launch.
/// </para>
/// <para>
/// Memory that is allocated while it is recorded is the graph's: freed, it serves the rest of the recording and nobody
/// else before the graph is disposed, and what is enqueued after that must not use it. Memory that was allocated before has
/// to outlive the graph. <see cref="RaceDetector"/> reports both.
/// </para>
/// </remarks>
public sealed class Graph : IDisposable
{
    [ThreadStatic]
    private static Graph? t_recording;

    private readonly GraphAccesses? _accesses;
    private readonly List<GCHandle> _calls = [];
    private readonly List<Varying> _varying = [];
    private readonly List<(Stream Stream, int Owner)> _owners = [];
    private readonly List<(Stream Stream, VectorClock Clock)> _saved = [];
    private readonly VectorClock _launched = new();
    private readonly TimeSpan _recordTime;
    private aios_graph _handle;
    private GraphShape _shape;
    private TimeSpan _launchTime;
    private long _launches;
    private Stream? _launchedOn;

    private Graph(Stream stream, Action<Stream> record)
    {
        Stream = stream;
        Device = stream.Device;
        _accesses = Device.Races is null ? null : new GraphAccesses(Device.Clocks);
        if (t_recording is not null)
        {
            throw new InvalidOperationException("the calling thread is recording a graph: finish it before the next is captured");
        }

        Device.Check(Device.Driver.BeginCapture(stream.Handle), "stream_begin_capture");
        using Activity? activity = RuntimeTelemetry.Activities.StartActivity("graph capture");
        long start = Stopwatch.GetTimestamp();
        try
        {
            Record(record);
            _recordTime = Stopwatch.GetElapsedTime(start);
            Device.Check(Device.Driver.EndCapture(stream.Handle, out _handle), "stream_end_capture");
        }
        catch
        {
            // What was recorded so far goes; the exception says more than what this could.
            if (!stream.IsDisposed)
            {
                _ = Device.Driver.EndCapture(stream.Handle, out aios_graph unfinished);
                _ = Device.Driver.DestroyGraph(unfinished);
            }

            Release();
            throw;
        }

        Device.Check(Device.Driver.Describe(_handle, out _shape), "graph_get_info");
    }

    /// <summary>The graph that the calling thread is recording; null when it records none.</summary>
    public static Graph? Recording => t_recording;

    /// <summary>The device that runs it.</summary>
    public Device Device { get; }

    /// <summary>The stream that was captured, on which updates are recorded.</summary>
    public Stream Stream { get; }

    /// <summary>Number of nodes.</summary>
    public int Count => _shape.Nodes;

    /// <summary>The nodes, in the order of the capture.</summary>
    public IReadOnlyList<GraphNode> Nodes
    {
        get
        {
            var nodes = new GraphNode[Count];
            for (int i = 0; i < nodes.Length; i++)
            {
                Device.Check(Device.Driver.Describe(Handle, i, out nodes[i]), "graph_get_node");
            }

            return nodes;
        }
    }

    /// <summary>What replay saves, as measured so far.</summary>
    public GraphReport Report => new(
        _shape.Nodes, _shape.Branches, _shape.Commands, _launches, _recordTime, _launches == 0 ? TimeSpan.Zero : _launchTime / _launches);

    private aios_graph Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle.Value == default, this);
            return _handle;
        }
    }

    /// <summary>Records the work that a function enqueues; nothing of it runs before a launch.</summary>
    /// <param name="stream">The stream whose work is recorded, and that of streams that wait for events recorded in it.</param>
    /// <param name="record">Enqueues the work. It must not wait for a stream of the capture.</param>
    /// <returns>The graph, which the caller disposes.</returns>
    /// <exception cref="BackendException">Something cannot be captured, or a stream that was drawn in was not joined.</exception>
    /// <exception cref="InvalidOperationException">The calling thread is recording another graph.</exception>
    public static Graph Capture(Stream stream, Action<Stream> record)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(record);
        return new Graph(stream, record);
    }

    /// <summary>Enqueues the recorded work.</summary>
    /// <param name="stream">The stream in whose order it runs, of the graph's device.</param>
    /// <exception cref="ArgumentException">The stream is of another device.</exception>
    public void Launch(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Device.Require(stream.Device, "stream", nameof(stream));
        if (_launchedOn is not null && _launchedOn != stream && !stream.IsCapturing)
        {
            Device.Clocks.Wait(stream.Clock, _launched); // Launches run one after the other.
        }

        if (_accesses is not null)
        {
            Device.Races!.Launch(stream, _accesses);
        }

        using Activity? activity = RuntimeTelemetry.Activities.StartActivity("graph launch");
        long start = Stopwatch.GetTimestamp();
        Device.Check(Device.Driver.Launch(Handle, stream.Handle), "graph_launch");
        _launchTime += Stopwatch.GetElapsedTime(start);
        _launches++;
        _launchedOn = stream;
        Device.Clocks.Record(stream.Clock, _launched);
    }

    /// <summary>
    /// Gives some nodes other addresses and numbers: what the function enqueues replaces them in the launches made from
    /// now on, and must be calls of the same functions. Launches made before keep what they had. When the function throws, the
    /// nodes that it had enqueued before are replaced.
    /// </summary>
    /// <param name="first">The first node.</param>
    /// <param name="count">How many nodes.</param>
    /// <param name="record">Enqueues the work to the stream it is given, which is the one that was captured.</param>
    /// <exception cref="BackendException">A call is not of the function of its node, which the error names.</exception>
    public void Update(int first, int count, Action<Stream> record)
    {
        ArgumentNullException.ThrowIfNull(record);
        long start = Stopwatch.GetTimestamp();
        Device.Check(Device.Driver.BeginUpdate(Stream.Handle, Handle, first, count), "stream_begin_update");
        bool done = false;
        try
        {
            using GraphAccesses.Scope scope = GraphAccesses.Collect(_accesses, first, isUpdate: true);
            record(Stream);
            done = true;
        }
        finally
        {
            aios_status status = Device.Driver.EndUpdate(Stream.Handle);
            if (done)
            {
                Device.Check(status, "stream_end_update");
            }
        }

        _launchTime += Stopwatch.GetElapsedTime(start);
    }

    /// <summary>
    /// While the graph is recorded: enqueues work whose addresses or numbers change from launch to launch.
    /// <see cref="Refresh"/> calls the function again.
    /// </summary>
    /// <param name="record">Enqueues the same calls every time, to the stream that is captured.</param>
    public void Vary(Action<Stream> record)
    {
        ArgumentNullException.ThrowIfNull(record);
        if (t_recording != this)
        {
            throw new InvalidOperationException("the graph is not being recorded by the calling thread");
        }

        long first = Device.Driver.Captured(Stream.Handle);
        record(Stream);
        _varying.Add(new Varying((int)first, (int)(Device.Driver.Captured(Stream.Handle) - first), record));
    }

    /// <summary>Gives all that varies (<see cref="Vary"/>) its values of now, for the launches made from now on.</summary>
    public void Refresh()
    {
        foreach (Varying varying in _varying)
        {
            Update(varying.First, varying.Count, varying.Record);
        }
    }

    /// <summary>Waits for the launches of the graph, then destroys it and gives its memory back.</summary>
    public void Dispose()
    {
        if (_handle.Value == default)
        {
            return;
        }

        _launchedOn?.Drain(); // Its memory and its callbacks are in use until then.
        _ = Device.Driver.DestroyGraph(_handle);
        _handle = default;
        Release();
    }

    /// <summary>In whose name work of a stream uses memory while the graph is recorded.</summary>
    internal int OwnerOf(Stream stream)
    {
        foreach ((Stream known, int number) in _owners)
        {
            if (known == stream)
            {
                return number;
            }
        }

        if (stream.Device != Device || !stream.IsCapturing)
        {
            return stream.Clock;
        }

        int owner = Device.Memory.AddOwner(stream);
        _owners.Add((stream, owner));
        return owner;
    }

    /// <summary>
    /// Notes what a stream comes after before it waits: in a capture it only seems to, and when the capture has ended, its own
    /// work is in the order that it was before.
    /// </summary>
    internal void Save(Stream stream)
    {
        if (stream.IsCapturing && !_saved.Exists(entry => entry.Stream == stream))
        {
            _saved.Add((stream, Device.Clocks.Save(stream.Clock)));
        }
    }

    /// <summary>A handle to what a recorded callback calls, for as long as the graph lives.</summary>
    internal static GCHandle Keep(Stream stream, Action action)
    {
        Graph graph = t_recording
            ?? throw new InvalidOperationException("a callback can only be captured by Graph.Capture, on the thread that runs it, and not be updated");
        var handle = GCHandle.Alloc(new HostCall(stream, action));
        graph._calls.Add(handle);
        return handle;
    }

    private void Record(Action<Stream> record)
    {
        t_recording = this;
        try
        {
            using GraphAccesses.Scope scope = GraphAccesses.Collect(_accesses, 0, isUpdate: false);
            record(Stream);
        }
        finally
        {
            t_recording = null;
            _saved.ForEach(entry => Device.Clocks.Restore(entry.Stream.Clock, entry.Clock));
            _saved.Clear();
        }
    }

    private void Release()
    {
        _calls.ForEach(call => call.Free());
        _calls.Clear();
        _owners.ForEach(entry => Device.Memory.RetireOwner(entry.Owner));
        _owners.Clear();
    }

    /// <summary>Nodes that a function records anew.</summary>
    private readonly record struct Varying(int First, int Count, Action<Stream> Record);
}

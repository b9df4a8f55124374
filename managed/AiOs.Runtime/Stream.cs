using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>
/// An in-order queue of work of a device. Work of one stream runs in the order it was enqueued; work of different
/// streams runs at the same time unless events order it. An error inside enqueued work sticks: the stream skips what
/// follows, and every later <see cref="Synchronize"/> throws it again.
/// </summary>
public sealed class Stream : IDisposable
{
    private readonly bool _notesCallSites;
    private readonly bool _needsThread;
    private readonly Lock _life = new();
    private aios_stream _handle;

    internal Stream(Device device, aios_stream handle, StreamOptions options)
    {
        Device = device;
        _handle = handle;
        _notesCallSites = device.CapturesCallSites;
        _needsThread = device.Driver.NeedsThread;
        Number = device.Driver.NumberOf(handle);
        Name = options.Name ?? $"stream {Number}";
        Priority = options.Priority;
        Clock = device.Clocks.AddStream();
    }

    /// <summary>The device that runs the work.</summary>
    public Device Device { get; }

    /// <summary>The native handle that launchers take.</summary>
    /// <exception cref="ObjectDisposedException">The stream was disposed.</exception>
    public aios_stream Handle
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            ObjectDisposedException.ThrowIf(IsDisposed, this);
            if (_needsThread)
            {
                Device.Driver.Enter();
            }

            if (_notesCallSites)
            {
                CallSites.Note(Device.Driver, _handle);
            }

            return _handle;
        }
    }

    /// <summary>What traces and reports call the stream.</summary>
    public string Name { get; }

    /// <summary>How urgent its work is.</summary>
    public StreamPriority Priority { get; }

    /// <summary>A number that no other stream of the process has or had.</summary>
    public long Number { get; }

    /// <summary>
    /// True while what is enqueued becomes nodes of a graph instead of running, see <see cref="Graph.Capture"/>.
    /// </summary>
    public bool IsCapturing => Device.Driver.Captured(Handle) >= 0;

    /// <summary>True when all enqueued work has run. Never waits.</summary>
    /// <exception cref="BackendException">Enqueued work failed.</exception>
    public bool IsIdle
    {
        get
        {
            VectorClock enqueued = GivenSoFar();
            aios_status status = Device.Driver.Query(Handle);
            if (status == aios_status.NotReady)
            {
                return false;
            }

            Observe(status, enqueued);
            Check(status, "stream_query");
            return true;
        }
    }

    internal bool IsDisposed => _handle.Value == default;

    /// <summary>The stream's number in the device's <see cref="ClockTable"/>.</summary>
    internal int Clock { get; }

    /// <summary>Waits for all work enqueued so far.</summary>
    /// <exception cref="BackendException">Enqueued work failed; the error names the work and the reason.</exception>
    public void Synchronize()
    {
        Check(Await(Enqueued()), "stream_synchronize");
    }

    /// <summary>
    /// As <see cref="Synchronize"/>, for a thread that may not be the one that enqueues; the work of a stream that was disposed
    /// meanwhile has run.
    /// </summary>
    internal void SynchronizeAside()
    {
        lock (_life)
        {
            if (!IsDisposed)
            {
                Check(Await(GivenSoFar()), "stream_synchronize");
            }
        }
    }

    /// <summary>Waits for all work enqueued so far, failed or not, unless the stream is being captured. Never throws.</summary>
    internal void Drain()
    {
        lock (_life)
        {
            if (!IsDisposed && !IsCapturing)
            {
                _ = Await(GivenSoFar());
            }
        }
    }

    /// <summary>
    /// Waits for all work enqueued so far without a thread that waits: the provider calls back. The continuation runs
    /// on the thread pool. Nothing is allocated once as many waits were under way at a time before.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait; the work goes on.</param>
    /// <returns>Completes when the work has run; await it once.</returns>
    /// <exception cref="BackendException">Enqueued work failed; the error names the work and the reason.</exception>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    public ValueTask SynchronizeAsync(CancellationToken cancellationToken = default)
    {
        aios_stream handle = Handle;
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        if (IsCapturing)
        {
            Synchronize(); // which is refused; a callback would become a node
        }

        Completion completion = Completion.Rent(Device);
        Device.Clocks.Record(Clock, completion.Clock);
        return completion.Start(handle, cancellationToken);
    }

    /// <summary>
    /// Enqueues a call of a function of the host, which runs in the stream's order on a thread of the device. It must
    /// be short and must not wait for any stream. When the stream has failed it is skipped, as other work is; its own
    /// exception becomes the stream's error. In a capture it becomes a node.
    /// </summary>
    /// <param name="action">What to call.</param>
    public void Enqueue(Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        Check(IsCapturing ? HostCall.Capture(this, Graph.Keep(this, action)) : HostCall.Enqueue(this, action), "stream_callback");
    }

    /// <summary>Makes the work enqueued from now on wait for what <paramref name="recorded"/> recorded last.</summary>
    /// <param name="recorded">
    /// The event, of this device or of another one of the same backend; one that was never recorded is no reason to wait.
    /// </param>
    /// <exception cref="ArgumentException">The event is of another backend.</exception>
    public void WaitFor(Event recorded)
    {
        ArgumentNullException.ThrowIfNull(recorded);
        if (!Device.Driver.Reaches(recorded.Device.Driver))
        {
            throw new ArgumentException($"a stream of {Device.Name} cannot wait for an event of {recorded.Device.Name}", nameof(recorded));
        }

        Check(Device.Driver.Wait(Handle, recorded.Handle), "stream_wait_event");
        if (recorded.Device == Device) // The clocks of another device number other streams.
        {
            Graph.Recording?.Save(this);
            Device.Clocks.Wait(Clock, recorded.Clock);
        }
    }

    /// <summary>
    /// Records an event for a thread that may not be the one that enqueues; of a stream that was disposed meanwhile nothing
    /// is left to wait for, and whoever waited for one that is being captured would be drawn in.
    /// </summary>
    internal void RecordAside(Event recorded)
    {
        lock (_life)
        {
            if (!IsDisposed && !IsCapturing)
            {
                Device.Clocks.RecordAside(Clock, recorded.Clock);
                Check(Device.Driver.Record(recorded.Handle, Handle), "event_record");
            }
        }
    }

    /// <summary>As <see cref="WaitFor"/>, for a thread that may not be the one that enqueues; a stream that was disposed meanwhile has no work to wait.</summary>
    internal void WaitAside(Event recorded)
    {
        lock (_life)
        {
            if (!IsDisposed)
            {
                WaitFor(recorded);
            }
        }
    }

    /// <summary>Enqueues setting bytes for a thread that may not be the one that enqueues. Failed work does not make this throw.</summary>
    /// <param name="destination">Address of device memory.</param>
    /// <param name="value">The value of each byte.</param>
    /// <param name="bytes">How much to set.</param>
    /// <param name="captured">Whether it may become a node of a graph, whose every launch sets them; otherwise they then stay.</param>
    /// <returns>False when the stream was disposed meanwhile, and nothing was enqueued.</returns>
    internal bool TryFillAside(nint destination, byte value, long bytes, bool captured)
    {
        lock (_life)
        {
            if (!IsDisposed)
            {
                _ = captured || !IsCapturing ? Device.Driver.Fill(Handle, destination, value, bytes) : aios_status.Ok;
                return true;
            }

            return false;
        }
    }

    /// <summary>Copies bytes to the host after all work so far, for a thread that may not be the one that enqueues.</summary>
    /// <param name="destination">Address in host memory.</param>
    /// <param name="source">Address in device memory.</param>
    /// <param name="bytes">How much to copy.</param>
    /// <param name="read">Whether it was copied; not when work of the stream has failed, nor while it is being captured.</param>
    /// <returns>False when the stream was disposed meanwhile, and nothing was tried.</returns>
    internal bool TryReadAside(nint destination, nint source, long bytes, out bool read)
    {
        lock (_life)
        {
            read = !IsDisposed && !IsCapturing
                && Device.Driver.Copy(Handle, destination, source, bytes) == aios_status.Ok
                && Device.Driver.Synchronize(Handle) == aios_status.Ok;
            return !IsDisposed;
        }
    }

    /// <summary>Enqueues the recording of an event: it completes when all work enqueued before has run.</summary>
    /// <param name="recorded">The event, of the stream's device.</param>
    /// <exception cref="ArgumentException">The event is of another device.</exception>
    public void Record(Event recorded)
    {
        ArgumentNullException.ThrowIfNull(recorded);
        Device.Require(recorded.Device, "event", nameof(recorded));
        Device.Clocks.Record(Clock, recorded.Clock); // First: what another thread enqueues in between is not covered.
        Check(Device.Driver.Record(recorded.Handle, Handle), "event_record");
    }

    /// <summary>Enqueues a copy between blocks that do not overlap. Returns before it has run.</summary>
    /// <param name="destination">Address of device or pinned memory.</param>
    /// <param name="source">Address of device or pinned memory.</param>
    /// <param name="bytes">How much to copy.</param>
    public void Copy(nint destination, nint source, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (bytes > 0)
        {
            Device.Races?.Enqueue(this, "copy", [Accessed("destination", destination, bytes, true), Accessed("source", source, bytes, false)]);
            EnqueueCopy(destination, source, bytes);
        }
    }

    /// <summary>Enqueues setting every byte of a block. Returns before it has run.</summary>
    /// <param name="destination">Address of device memory.</param>
    /// <param name="value">The value of each byte.</param>
    /// <param name="bytes">How much to set.</param>
    public void Fill(nint destination, byte value, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (bytes > 0)
        {
            Device.Races?.Enqueue(this, "fill", [Accessed("destination", destination, bytes, true)]);
            Check(Device.Driver.Fill(Handle, destination, value, bytes), "memset_async");
        }
    }

    /// <summary>
    /// Tells what work that is about to be enqueued accesses: the race detector, when the device has one, and the
    /// allocator, so that blocks of other streams are not used again before it has run. Launches of the kernel table,
    /// copies and fills tell the detector themselves; anything else that uses memory in the stream's order must.
    /// </summary>
    /// <param name="operation">Name of the work, for reports.</param>
    /// <param name="accesses">What it accesses.</param>
    /// <exception cref="RaceException">Nothing orders it with earlier accesses of the same bytes.</exception>
    public void Declare(string operation, params ReadOnlySpan<Access> accesses)
    {
        foreach (Access access in accesses)
        {
            access.NoteUse(this);
        }

        if (Device.Races is not { } races)
        {
            return;
        }

        var ranges = new List<RangeAccess>(accesses.Length);
        foreach (Access access in accesses)
        {
            if (access.Bytes > 0)
            {
                ranges.Add(Accessed("", access.Address, access.Bytes, access.IsWrite));
            }
        }

        races.Enqueue(this, operation, CollectionsMarshal.AsSpan(ranges));
    }

    /// <summary>
    /// Copies host memory to the device and waits until the source may change again. <paramref name="source"/> may be
    /// any memory; from <see cref="PinnedMemory{T}"/> the overloads that take it do not wait.
    /// </summary>
    /// <param name="destination">Address of device memory with room for the source.</param>
    /// <param name="source">What to copy.</param>
    /// <typeparam name="T">Element type.</typeparam>
    public unsafe void CopyFromHost<T>(nint destination, ReadOnlySpan<T> source)
        where T : unmanaged
    {
        fixed (T* pointer = source)
        {
            CopyHost(destination, (nint)pointer, (long)source.Length * sizeof(T), toHost: false);
            Synchronize();
        }
    }

    /// <summary>Copies device memory to the host after all work enqueued so far, and waits for it.</summary>
    /// <param name="destination">Receives the values; may be any memory.</param>
    /// <param name="source">Address of device memory with at least as many elements.</param>
    /// <typeparam name="T">Element type.</typeparam>
    public unsafe void CopyToHost<T>(Span<T> destination, nint source)
        where T : unmanaged
    {
        fixed (T* pointer = destination)
        {
            CopyHost((nint)pointer, source, (long)destination.Length * sizeof(T), toHost: true);
            Synchronize();
        }
    }

    /// <summary>Throws when a call did not succeed.</summary>
    /// <param name="status">What the call returned.</param>
    /// <param name="call">Its name, such as <c>aios_gemm</c>.</param>
    /// <exception cref="BackendException">The status is not OK; the message has the provider's own words.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Check(aios_status status, string call) => Device.Check(status, call);

    /// <summary>Waits for the stream's work, then destroys it. Failed work does not make this throw.</summary>
    public void Dispose()
    {
        if (IsDisposed)
        {
            return;
        }

        aios_stream handle = _handle;
        Device.Races?.Remove(handle);
        _ = Device.Driver.Synchronize(handle);
        lock (_life) // Another thread may be waiting for it, recording in it, or may just have filled memory by it.
        {
            _ = Device.Driver.Synchronize(handle);
            _handle = default;
        }

        Device.Memory.RetireStream(this);
        Device.Clocks.RemoveStream(Clock);
        Device.Forget(this);
        _ = Device.Driver.DestroyStream(handle);
    }

    /// <summary>
    /// Enqueues a copy to memory of another device, which belongs to a stream there: the copy runs after what that stream was
    /// given before, and it goes on after the copy.
    /// </summary>
    internal void CopyPeer(Stream destinationStream, nint destination, nint source, long bytes)
    {
        if (!Device.Driver.Reaches(destinationStream.Device.Driver))
        {
            throw new ArgumentException("memory is only copied between devices of one backend", nameof(destinationStream));
        }

        if (bytes > 0)
        {
            Device.Races?.Enqueue(this, "copy", [Accessed("source", source, bytes, false)]);
            destinationStream.Device.Races?.Enqueue(destinationStream, "copy", [Accessed("destination", destination, bytes, true)]);
            using Event free = destinationStream.Device.CreateEvent(), copied = Device.CreateEvent();
            destinationStream.Record(free);
            Check(Device.Driver.Wait(Handle, free.Handle), "stream_wait_event");
            Check(Device.Driver.CopyPeer(Handle, destinationStream.Device.Driver, destination, source, bytes), "memcpy_peer");
            Record(copied);
            destinationStream.Check(destinationStream.Device.Driver.Wait(destinationStream.Handle, copied.Handle), "stream_wait_event");
        }
    }

    /// <summary>Enqueues a copy from or to host memory, pinned or not; it has to be waited for.</summary>
    internal void CopyHost(nint destination, nint source, long bytes, bool toHost)
    {
        if (bytes > 0)
        {
            if (Device.Races is { } races)
            {
                RangeAccess written = Accessed("destination", destination, bytes, true), read = Accessed("source", source, bytes, false);
                races.Enqueue(this, "copy", races.Knows(toHost ? destination : source, bytes) ? [written, read] : [toHost ? read : written]);
            }

            EnqueueCopy(destination, source, bytes);
        }
    }

    private static RangeAccess Accessed(string name, nint address, long bytes, bool isWrite) =>
        new(name, new StridedRange(address, bytes), isWrite);

    private void EnqueueCopy(nint destination, nint source, long bytes) =>
        Check(Device.Driver.Copy(Handle, destination, source, bytes), "memcpy_async");

    private aios_status Await(VectorClock enqueued)
    {
        aios_status status = Device.Driver.Synchronize(Handle);
        Observe(status, enqueued);
        return status;
    }

    /// <summary>Notes that work has run, well or not: unless the provider refused the question, as it does of a stream that is captured.</summary>
    private void Observe(aios_status status, VectorClock enqueued)
    {
        if (status != aios_status.InvalidArgument)
        {
            Device.Clocks.Observe(enqueued);
        }
    }

    /// <summary>What stands for all work the stream has been given. The host that looks at it afterwards may observe it.</summary>
    private VectorClock Enqueued()
    {
        VectorClock clock = VectorClock.Scratch;
        Device.Clocks.Record(Clock, clock);
        return clock;
    }

    /// <summary>The same for a thread that may not be the one that enqueues.</summary>
    private VectorClock GivenSoFar()
    {
        VectorClock clock = VectorClock.Scratch;
        Device.Clocks.RecordAside(Clock, clock);
        return clock;
    }
}

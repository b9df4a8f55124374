using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>A point in a stream's order that other streams and the host can wait for.</summary>
public sealed class Event : IDisposable
{
    private aios_event _handle;

    internal Event(Device device, aios_event handle)
    {
        Device = device;
        _handle = handle;
    }

    /// <summary>Leaves the native event to the device: a finaliser never calls the driver.</summary>
    ~Event()
    {
        if (_handle.Value != default)
        {
            Device.Memory.Abandon(new AbandonedResource(AbandonedKind.Event, (nint)_handle.Value));
        }
    }

    /// <summary>The device of the event.</summary>
    public Device Device { get; }

    /// <summary>The native handle.</summary>
    /// <exception cref="ObjectDisposedException">The event was disposed.</exception>
    public aios_event Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle.Value == default || Device.IsDisposed, this);
            return _handle;
        }
    }

    /// <summary>What the last recording stands for; empty before the first.</summary>
    internal VectorClock Clock { get; } = new();

    /// <summary>True when the last recording has completed, or there was none. Never waits.</summary>
    public bool IsComplete
    {
        get
        {
            VectorClock recorded = Device.Clocks.Copy(Clock);
            aios_status status = Device.Driver.Query(Handle);
            if (status == aios_status.NotReady)
            {
                return false;
            }

            Device.Check(status, "event_query");
            Device.Clocks.Observe(recorded);
            return true;
        }
    }

    /// <summary>
    /// Time between two completed recordings: from when the work before the first had run to when that before the second
    /// had, on the device's clock, to the resolution of nanoseconds.
    /// </summary>
    /// <param name="start">The earlier event.</param>
    /// <param name="end">The later event.</param>
    /// <returns>Milliseconds.</returns>
    /// <exception cref="ArgumentException">They are of different devices.</exception>
    /// <exception cref="BackendException">One is still running or was never recorded.</exception>
    public static float ElapsedMilliseconds(Event start, Event end)
    {
        ArgumentNullException.ThrowIfNull(start);
        ArgumentNullException.ThrowIfNull(end);
        start.Device.Require(end.Device, "event", nameof(end));
        const string Call = "event_elapsed";
        aios_status status = start.Device.Driver.Elapsed(start.Handle, end.Handle, out float milliseconds);
        if (status == aios_status.NotReady) // of which providers say no more
        {
            throw start.Device.Error(status, Call, "an event has not completed yet: wait for it first");
        }

        start.Device.Check(status, Call);
        return milliseconds;
    }

    /// <summary>Waits until the last recording has completed; returns at once when there was none.</summary>
    public void Synchronize()
    {
        VectorClock recorded = Device.Clocks.Copy(Clock);
        Device.Check(Device.Driver.Synchronize(Handle), "event_synchronize");
        Device.Clocks.Observe(recorded);
    }

    /// <summary>
    /// Waits for the last recording without a thread that waits, as <see cref="Stream.SynchronizeAsync"/> does.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait; the work goes on.</param>
    /// <returns>Completes when the recording has; await it once.</returns>
    /// <exception cref="BackendException">Work of the stream of the recording failed.</exception>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    public ValueTask SynchronizeAsync(CancellationToken cancellationToken = default)
    {
        aios_event handle = Handle;
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        Completion completion = Completion.Rent(Device);
        completion.Clock.Join(Device.Clocks.Copy(Clock));
        return completion.Start(handle, cancellationToken);
    }

    /// <summary>Destroys the event; work that waits for it still does.</summary>
    public void Dispose()
    {
        if (_handle.Value != default && !Device.IsDisposed)
        {
            _ = Device.Driver.DestroyEvent(_handle);
        }

        _handle = default;
        GC.SuppressFinalize(this);
    }
}

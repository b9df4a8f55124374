using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading.Tasks.Sources;
using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>
/// What an <c>await</c> of a stream or an event waits on: a callback of the provider completes it, so that no thread
/// waits. Objects are used again; a wait allocates nothing once there are as many as wait at a time.
/// </summary>
internal sealed unsafe class Completion : IValueTaskSource, IThreadPoolWorkItem
{
    private static readonly Lock s_gate = new();
    private static Completion? s_free;

    private ManualResetValueTaskSourceCore<bool> _core;
    private Completion? _next;
    private Device? _device;
    private CancellationToken _token;
    private CancellationTokenRegistration _registration;
    private BackendException? _error;
    private bool _cancelled;
    private int _ended;
    private int _users;

    /// <summary>What is done when the wait has ended; the caller fills it in.</summary>
    public VectorClock Clock { get; } = new();

    /// <summary>A completion that nobody uses.</summary>
    public static Completion Rent(Device device)
    {
        Completion completion;
        lock (s_gate)
        {
            completion = s_free ?? new Completion();
            s_free = completion._next;
        }

        completion._next = null;
        completion._device = device;
        completion._users = 2; // the callback and whoever awaits
        completion.Clock.Clear();
        return completion;
    }

    /// <summary>Waits for all that the stream was given.</summary>
    public ValueTask Start(aios_stream stream, CancellationToken cancellationToken)
    {
        nint user = Arm(cancellationToken);
        return Started(_device!.Driver.Call(stream, &Called, user), user, "stream_callback");
    }

    /// <summary>Waits for the last recording of an event.</summary>
    public ValueTask Start(aios_event recorded, CancellationToken cancellationToken)
    {
        nint user = Arm(cancellationToken);
        return Started(_device!.Driver.Call(recorded, &Called, user), user, "event_callback");
    }

    void IThreadPoolWorkItem.Execute()
    {
        if (_cancelled)
        {
            _core.SetException(new OperationCanceledException(_token));
        }
        else if (_error is not null)
        {
            _core.SetException(_error);
        }
        else
        {
            _core.SetResult(true);
        }
    }

    void IValueTaskSource.GetResult(short token)
    {
        try
        {
            if (!_cancelled && _core.GetStatus(token) != ValueTaskSourceStatus.Pending)
            {
                _device!.Clocks.Observe(Clock);
            }

            _ = _core.GetResult(token);
        }
        finally
        {
            _registration.Dispose();
            Leave();
        }
    }

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static aios_status Called(void* user, aios_status status, byte* message)
    {
        GCHandle handle = GCHandle.FromIntPtr((nint)user);
        var completion = (Completion)handle.Target!;
        handle.Free();
        if (status != aios_status.Ok)
        {
            completion._error = completion._device!.Error(status, "synchronize", Marshal.PtrToStringUTF8((nint)message) ?? "");
        }

        completion.End();
        completion.Leave();
        return aios_status.Ok;
    }

    private nint Arm(CancellationToken cancellationToken)
    {
        _token = cancellationToken;
        _registration = cancellationToken.UnsafeRegister(static state => ((Completion)state!).Cancel(), this);
        return GCHandle.ToIntPtr(GCHandle.Alloc(this));
    }

    private ValueTask Started(aios_status status, nint user, string call)
    {
        if (status != aios_status.Ok)
        {
            Device device = _device!;
            GCHandle.FromIntPtr(user).Free();
            _registration.Dispose();
            if (Interlocked.Exchange(ref _ended, 1) == 0) // otherwise it was cancelled, is under way to the pool, and is not used again
            {
                _users = 1;
                Leave();
            }

            device.Check(status, call);
        }

        return new ValueTask(this, _core.Version);
    }

    private void Cancel()
    {
        if (Interlocked.Exchange(ref _ended, 1) == 0)
        {
            _cancelled = true;
            _ = ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    private void End()
    {
        // The continuation runs on the thread pool: the calling thread is one of the provider's workers.
        if (Interlocked.Exchange(ref _ended, 1) == 0)
        {
            _ = ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    private void Leave()
    {
        if (Interlocked.Decrement(ref _users) != 0)
        {
            return;
        }

        _core.Reset();
        (_device, _error, _token, _registration, _cancelled, _ended) = (null, null, default, default, false, 0);
        lock (s_gate)
        {
            _next = s_free;
            s_free = this;
        }
    }
}

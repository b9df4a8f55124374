using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using AiOs.Interop;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>
/// Functions of the host among the work of streams. The driver gives its host functions no status and does not call them
/// once the context has failed; the runtime's callbacks are called always, and told. So each waits in a list, and when
/// the context fails all of the list are called. While something waits a timer asks the driver now and then, because
/// nobody else may.
/// </summary>
internal sealed unsafe class CudaCallbacks : IDisposable
{
    /// <summary>Bytes of the text that a callback is given and may leave, with its zero.</summary>
    private const int MessageBytes = 512;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    private readonly CudaContext _context;
    private readonly Action<CudaStream> _takeFinding;
    private readonly Lock _gate = new();
    private readonly Timer _watch;
    private readonly GCHandle _self;
    private readonly CUstream _probe;
    private readonly List<nint> _all = [];
    private readonly Stack<CUstream> _idleSides = new();
    private readonly List<CUstream> _sides = [];
    private readonly Dictionary<long, CudaStream> _streams = [];
    private Entry* _free;
    private Entry* _waiting;
    private bool _watching;

    /// <summary>Makes the list of a context.</summary>
    /// <param name="context">The context, which is current to the caller.</param>
    /// <param name="takeFinding">Gives a stream whose work has run the error that its data may have made.</param>
    public CudaCallbacks(CudaContext context, Action<CudaStream> takeFinding)
    {
        _context = context;
        _takeFinding = takeFinding;
        _self = GCHandle.Alloc(this);
        _watch = new Timer(_ => Watch());
        CUstream probe = default;
        context.Require(context.Cuda.cuStreamCreate(&probe, (uint)CUstream_flags.NonBlocking), "cuStreamCreate");
        _probe = probe;
    }

    /// <summary>Enqueues one call.</summary>
    public CUresult Enqueue(CudaStream stream, delegate* unmanaged[Cdecl]<void*, aios_status, byte*, aios_status> function, nint user) =>
        Enqueue(stream, stream.Handle, default, function, user);

    /// <summary>
    /// Enqueues one call after an event, beside all streams: a stream of its own waits, which is used again after it.
    /// </summary>
    /// <param name="stream">The stream of the recording, whose error the function is told.</param>
    /// <param name="recorded">The event.</param>
    /// <param name="function">What to call.</param>
    /// <param name="user">What to call it with.</param>
    public CUresult Enqueue(
        CudaStream stream, CUevent recorded, delegate* unmanaged[Cdecl]<void*, aios_status, byte*, aios_status> function, nint user)
    {
        CUstream side;
        lock (_gate)
        {
            if (!_idleSides.TryPop(out side))
            {
                CUresult created = _context.Cuda.cuStreamCreate(&side, (uint)CUstream_flags.NonBlocking);
                if (created != CUresult.Success)
                {
                    return created;
                }

                _sides.Add(side);
            }
        }

        CUresult result = _context.Cuda.cuStreamWaitEvent(side, recorded, 0);
        return result == CUresult.Success ? Enqueue(stream, side, side, function, user) : result;
    }

    /// <summary>Captures a call, which every launch makes until <see cref="Free"/>.</summary>
    /// <returns>What to free; 0 when the driver refused.</returns>
    public CUresult Capture(
        CudaStream stream, delegate* unmanaged[Cdecl]<void*, aios_status, byte*, aios_status> function, nint user, out nint captured)
    {
        Entry* entry = Rent(stream, function, user);
        entry->Repeats = true;
        CUresult result = _context.Cuda.cuLaunchHostFunc(stream.Handle, &Called, entry);
        captured = (nint)entry;
        if (result != CUresult.Success)
        {
            Free(captured);
            captured = 0;
        }

        return result;
    }

    /// <summary>From now on a captured call belongs to another stream: that of the graph's launch.</summary>
    public static void Move(nint captured, CudaStream stream) => Volatile.Write(ref ((Entry*)captured)->Stream, stream.Number);

    /// <summary>Frees a captured call; the launches of its graph have run.</summary>
    public void Free(nint captured)
    {
        lock (_gate)
        {
            Return((Entry*)captured);
        }
    }

    /// <summary>Begins to know a stream.</summary>
    public void Add(CudaStream stream)
    {
        lock (_gate)
        {
            _streams.Add(stream.Number, stream);
        }
    }

    /// <summary>Ends to know a stream.</summary>
    public void Remove(CudaStream stream)
    {
        lock (_gate)
        {
            _streams.Remove(stream.Number);
        }
    }

    /// <summary>Asks the driver whether the context has failed; if so, everything that waits is called.</summary>
    public void Notice()
    {
        _context.Enter();
        _ = _context.Fold(_context.Cuda.cuStreamQuery(_probe));
    }

    /// <summary>Calls everything that waits: the driver does not, since the context has failed.</summary>
    public void Fail()
    {
        string error = CudaContext.LastError;
        while (true)
        {
            Entry* entry;
            lock (_gate)
            {
                entry = _waiting;
                if (entry == null)
                {
                    return;
                }

                Unlink(entry);
            }

            Call(entry, aios_status.ExecutionFailed, error);
        }
    }

    /// <summary>Frees everything; no stream has work.</summary>
    public void Dispose()
    {
        _watch.Dispose();
        lock (_gate)
        {
            foreach (CUstream side in _sides)
            {
                _ = _context.Cuda.cuStreamDestroy(side);
            }

            _ = _context.Cuda.cuStreamDestroy(_probe);
            foreach (nint entry in _all)
            {
                NativeMemory.Free((void*)entry);
            }

            _all.Clear();
        }

        _self.Free();
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Called(void* user)
    {
        var entry = (Entry*)user;
        ((CudaCallbacks)GCHandle.FromIntPtr(entry->Owner).Target!).Arrive(entry);
    }

    private CUresult Enqueue(
        CudaStream stream, CUstream queue, CUstream side,
        delegate* unmanaged[Cdecl]<void*, aios_status, byte*, aios_status> function, nint user)
    {
        Entry* entry = Rent(stream, function, user);
        entry->Side = side;
        lock (_gate)
        {
            entry->Next = _waiting;
            if (_waiting != null)
            {
                _waiting->Previous = entry;
            }

            _waiting = entry;
            entry->Waits = true;
            if (!_watching)
            {
                _watching = true;
                _watch.Change(Interval, Interval);
            }
        }

        CUresult result = _context.Cuda.cuLaunchHostFunc(queue, &Called, entry);
        if (result != CUresult.Success)
        {
            lock (_gate)
            {
                if (!entry->Waits)
                {
                    return CUresult.Success; // the context failed meanwhile, and it was called
                }

                Unlink(entry);
                Return(entry);
            }
        }

        return result;
    }

    private void Arrive(Entry* entry)
    {
        CudaStream? stream;
        lock (_gate)
        {
            if (!entry->Repeats)
            {
                if (!entry->Waits)
                {
                    return; // the context failed meanwhile, and it was called
                }

                Unlink(entry);
            }

            _ = _streams.TryGetValue(entry->Stream, out stream);
        }

        if (stream is not null)
        {
            _takeFinding(stream);
        }

        CudaStreamError? error = stream?.Error;
        Call(entry, error?.Status ?? aios_status.Ok, error?.Text, stream);
    }

    [SkipLocalsInit]
    private void Call(Entry* entry, aios_status status, string? error, CudaStream? stream = null)
    {
        byte* message = stackalloc byte[MessageBytes];
        var text = new Span<byte>(message, MessageBytes - 1);
        int written = 0;
        if (error is not null)
        {
            _ = Encoding.UTF8.TryGetBytes(error.AsSpan(0, Math.Min(error.Length, text.Length / 3)), text, out written);
        }

        message[written] = 0;
        aios_status result = entry->Function((void*)entry->User, status, message);
        if (result != aios_status.Ok)
        {
            stream?.Fail(aios_status.ExecutionFailed, Marshal.PtrToStringUTF8((nint)message) ?? "");
        }

        if (!entry->Repeats)
        {
            lock (_gate)
            {
                Return(entry);
            }
        }
    }

    private void Watch()
    {
        lock (_gate)
        {
            if (_waiting == null)
            {
                _watching = false;
                _watch.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                return;
            }
        }

        Notice();
    }

    private Entry* Rent(CudaStream stream, delegate* unmanaged[Cdecl]<void*, aios_status, byte*, aios_status> function, nint user)
    {
        Entry* entry;
        lock (_gate)
        {
            entry = _free;
            if (entry == null)
            {
                entry = (Entry*)NativeMemory.Alloc((nuint)sizeof(Entry));
                _all.Add((nint)entry);
            }
            else
            {
                _free = entry->Next;
            }
        }

        *entry = new Entry { Owner = GCHandle.ToIntPtr(_self), Stream = stream.Number, Function = function, User = user };
        return entry;
    }

    private void Return(Entry* entry)
    {
        if (entry->Side.Value != 0)
        {
            _idleSides.Push(entry->Side);
        }

        entry->Next = _free;
        _free = entry;
    }

    private void Unlink(Entry* entry)
    {
        if (entry->Previous != null)
        {
            entry->Previous->Next = entry->Next;
        }
        else
        {
            _waiting = entry->Next;
        }

        if (entry->Next != null)
        {
            entry->Next->Previous = entry->Previous;
        }

        entry->Waits = false;
        entry->Next = entry->Previous = null;
    }

    /// <summary>One call; native memory, because the driver holds its address.</summary>
    private struct Entry
    {
        public nint Owner;
        public long Stream;
        public delegate* unmanaged[Cdecl]<void*, aios_status, byte*, aios_status> Function;
        public nint User;
        public CUstream Side;
        public Entry* Next;
        public Entry* Previous;
        public bool Waits;
        public bool Repeats;
    }
}

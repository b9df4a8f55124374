using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using AiOs.Interop;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>
/// A trace of one device: while it is recorded CUPTI hands over buffers of activities, which <see cref="CudaTraceRecords"/>
/// keeps and, at the end, turns into commands. CUPTI knows one listener per process, so there is one trace at a time.
/// </summary>
internal sealed unsafe class CudaTrace
{
    private const int BufferBytes = 1 << 20;
    private const int BufferAlignment = 8;

    private static readonly Lock s_gate = new();
    private static CudaTrace? s_current;
    private static int s_buffers;

    // Calls of the host only for when work was enqueued, by whom, and for which stream a graph was launched. RUNTIME are
    // calls of the CUDA runtime, with which libaios_cuda launches; DRIVER are those that are made from here.
    private static readonly CUpti_ActivityKind[] s_kinds =
    [
        CUpti_ActivityKind.ConcurrentKernel, CUpti_ActivityKind.Memcpy, CUpti_ActivityKind.Memcpy2, CUpti_ActivityKind.Memset,
        CUpti_ActivityKind.Driver, CUpti_ActivityKind.Runtime, CUpti_ActivityKind.ExternalCorrelation,
    ];

    private readonly CudaContext _context;
    private readonly long _capacity;
    private CuptiTable? _cupti; // the one that listens, or is asked to
    private CudaTraceRecords _kept = new(0);
    private ClockPair _start;

    private CudaTrace(CudaContext context, long capacity) => (_context, _capacity) = (context, capacity);

    /// <summary>Why there are no commands in it; null when there are.</summary>
    public string? Problem { get; private set; }

    /// <summary>The commands of a trace that was stopped, in no order.</summary>
    public IReadOnlyList<TraceRecord> Records { get; private set; } = [];

    /// <summary>Buffers that CUPTI has.</summary>
    internal static int Buffers => Volatile.Read(ref s_buffers);

    /// <summary>Begins to record.</summary>
    /// <param name="context">The device's context, which is current to the caller.</param>
    /// <param name="streams">The streams that there are; those that are made later are added by <see cref="Add"/>.</param>
    /// <param name="capacity">Commands that there is room for.</param>
    /// <param name="trace">The trace; null when there is a status.</param>
    public static aios_status Start(CudaContext context, IEnumerable<CudaStream> streams, long capacity, out CudaTrace? trace)
    {
        trace = null;
        if (capacity is < 1 or > 1L << 32)
        {
            return CudaContext.Fail(aios_status.InvalidArgument, $"capacity is {capacity}; it must be 1 to 2^32 records");
        }

        lock (s_gate)
        {
            if (s_current is not null)
            {
                return CudaContext.Fail(aios_status.InvalidArgument, "a trace is being recorded; stop it first");
            }

            CudaTrace started = trace = new CudaTrace(context, capacity);
            Volatile.Write(ref s_current, trace);
            trace.Problem = CuptiLibraries.Of(context.Libraries).Ask(cupti => started.Listen(cupti, streams));
            return aios_status.Ok;
        }
    }

    /// <summary>The trace that is being recorded of a context's device; null when there is none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CudaTrace? Of(CudaContext context) => Volatile.Read(ref s_current) is { } trace && trace._context == context ? trace : null;

    /// <summary>Begins to know a stream.</summary>
    public void Add(CudaStream stream)
    {
        uint id;
        if (_cupti is not null && _cupti.cuptiGetStreamIdEx(_context.Handle, stream.Handle, 0, &id) == CUptiResult.Success)
        {
            _kept.AddStream(id, stream.Number);
        }
    }

    /// <summary>
    /// What the calling thread launches until <see cref="EndLaunch"/> is a graph on a stream: its nodes may run on streams of
    /// the driver's own, and only the call knows.
    /// </summary>
    public void BeginLaunch(CudaStream stream)
    {
        if (_cupti is not null)
        {
            _ = _cupti.cuptiActivityPushExternalCorrelationId(CUpti_ExternalCorrelationKind.Custom0, (ulong)stream.Number);
        }
    }

    /// <summary>The end of <see cref="BeginLaunch"/>.</summary>
    public void EndLaunch()
    {
        if (_cupti is not null)
        {
            ulong last;
            _ = _cupti.cuptiActivityPopExternalCorrelationId(CUpti_ExternalCorrelationKind.Custom0, &last);
        }
    }

    /// <summary>Ends the recording.</summary>
    /// <param name="wait">Whether to wait for what runs; what still runs is not recorded.</param>
    /// <returns>Commands that there was no room for.</returns>
    public long Stop(bool wait)
    {
        lock (s_gate)
        {
            long dropped = 0;
            if (Problem is null)
            {
                // A context that has failed has nothing to wait for; what ran before is in the trace.
                _ = wait ? _context.Cuda.cuCtxSynchronize() : CUresult.Success;
                Silence();
                nuint lost = 0;
                _ = _cupti!.cuptiActivityGetNumDroppedRecords(default, 0, &lost);
                Records = _kept.ToCommands(_start, ClockPair.Sample(_cupti));
                dropped = _kept.Dropped + (long)lost;
                _kept = new CudaTraceRecords(0);
            }

            Volatile.Write(ref s_current, null);
            return dropped;
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Give(byte** buffer, nuint* bytes, nuint* most)
    {
        *buffer = null;
        *bytes = *most = 0;
        try
        {
            *buffer = (byte*)NativeMemory.AlignedAlloc(BufferBytes, BufferAlignment);
            *bytes = BufferBytes;
            _ = Interlocked.Increment(ref s_buffers);
        }
        catch (OutOfMemoryException)
        {
            // Without a buffer CUPTI drops its records, and counts them.
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Take(CUcontext context, uint stream, byte* buffer, nuint bytes, nuint valid)
    {
        CudaTrace? trace = Volatile.Read(ref s_current);
        CUpti_Activity* record = null;
        while (trace?._cupti is { } cupti && valid > 0 && cupti.cuptiActivityGetNextRecord(buffer, valid, &record) == CUptiResult.Success)
        {
            trace._kept.Add(record);
        }

        NativeMemory.AlignedFree(buffer);
        _ = Interlocked.Decrement(ref s_buffers);
    }

    private CuptiLibraries.Refusal? Listen(CuptiTable cupti, IEnumerable<CudaStream> streams)
    {
        (_cupti, _kept) = (cupti, new CudaTraceRecords(_capacity));
        uint id = 0;
        CuptiLibraries.Refusal? refusal = Check(cupti, cupti.cuptiGetContextId(_context.Handle, &id), "cuptiGetContextId")
            ?? Check(cupti, cupti.cuptiActivityRegisterCallbacks(&Give, &Take), "cuptiActivityRegisterCallbacks");
        if (refusal is null)
        {
            _kept.Context = id;
            _ = cupti.cuptiSetThreadIdType(CUpti_ActivityThreadIdType.System);
            foreach (CudaStream stream in streams)
            {
                Add(stream);
            }

            nuint before = 0; // of somebody else's
            _ = cupti.cuptiActivityGetNumDroppedRecords(default, 0, &before);
            _start = ClockPair.Sample(cupti);
            for (int i = 0; refusal is null && i < s_kinds.Length; i++)
            {
                refusal = Check(cupti, cupti.cuptiActivityEnable(s_kinds[i]), "cuptiActivityEnable");
            }

            if (refusal is not null)
            {
                Silence();
            }
        }

        _cupti = refusal is null ? cupti : null;
        return refusal;
    }

    private void Silence()
    {
        foreach (CUpti_ActivityKind kind in s_kinds)
        {
            _ = _cupti!.cuptiActivityDisable(kind);
        }

        _ = _cupti!.cuptiActivityFlushAll((uint)CUpti_ActivityFlag.FlushForced);
    }

    private static CuptiLibraries.Refusal? Check(CuptiTable cupti, CUptiResult result, string call)
    {
        if (result == CUptiResult.Success)
        {
            return null;
        }

        byte* text = null;
        string reason = cupti.cuptiGetResultString(result, &text) == CUptiResult.Success ? Marshal.PtrToStringUTF8((nint)text)! : $"error {(int)result}";
        return new CuptiLibraries.Refusal(result, $"{call}: {reason}");
    }

    /// <summary>One moment on both clocks.</summary>
    /// <param name="Host">Nanoseconds of the monotonic clock.</param>
    /// <param name="Cupti">Nanoseconds of CUPTI's clock.</param>
    internal readonly record struct ClockPair(long Host, ulong Cupti)
    {
        private const int Tries = 16;

        /// <summary>The closest of several pairs: the host may be interrupted between the two clocks.</summary>
        public static ClockPair Sample(CuptiTable cupti)
        {
            (ClockPair best, long closest) = (default, long.MaxValue);
            for (int i = 0; i < Tries; i++)
            {
                ulong time = 0;
                long before = TraceSession.Nanoseconds(Stopwatch.GetTimestamp());
                _ = cupti.cuptiGetTimestamp(&time);
                long after = TraceSession.Nanoseconds(Stopwatch.GetTimestamp());
                if (after - before < closest)
                {
                    (best, closest) = (new ClockPair(before + ((after - before) / 2), time), after - before);
                }
            }

            return best;
        }
    }
}

using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using AiOs.Interop;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>A CUDA device through the driver API. Streams, events and graphs are the driver's own handles.</summary>
internal sealed unsafe partial class CudaDriver : DeviceDriver
{
    private readonly CudaContext _context;
    private readonly CudaTable _cuda;
    private readonly AiosTable _aios;
    private readonly CudaFindings _findings;
    private readonly CudaCallbacks _callbacks;
    private readonly ConcurrentDictionary<nint, CudaStream> _streams = new();
    private readonly ConcurrentDictionary<nint, CudaStream> _recordings = new();
    private readonly int _leastPriority, _greatestPriority;

    /// <summary>Opens a device, and launches a kernel to see that the library has some for it.</summary>
    /// <exception cref="BackendException">The device cannot be used.</exception>
    /// <exception cref="EntryPointNotFoundException">The library with the kernels lacks one.</exception>
    public CudaDriver(CudaLibraries libraries, int index)
    {
        _cuda = libraries.Cuda!;
        _aios = new AiosTable(libraries.Kernels, libraries.Path!);
        Kernels = new KernelTable(libraries.Kernels, libraries.Path!);
        _context = CudaContext.Of(libraries, index);
        _context.Enter();
        int least = 0, greatest = 0;
        _context.Require(_cuda.cuCtxGetStreamPriorityRange(&least, &greatest), "cuCtxGetStreamPriorityRange");
        (_leastPriority, _greatestPriority) = (least, greatest);
        Info = ReadInfo();
        _findings = CudaFindings.Of(libraries);
        _callbacks = new CudaCallbacks(_context, _findings.Take);
        _context.Failed += _callbacks.Fail;
        try
        {
            LaunchProbe();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override DeviceInfo Info { get; }

    public override KernelTable Kernels { get; }

    public override aios_dlpack_device InterchangeDevice => new() { type = aios_dlpack_device_type.Cuda, id = _context.Index };

    public override bool NeedsThread => true;

    public override bool IsLost => CudaErrors.IsLost(_context.Fatal);

    public override long AvailableMemory
    {
        get
        {
            _context.Enter();
            nuint free = 0, total = 0;
            _ = _cuda.cuMemGetInfo(&free, &total);
            return (long)free;
        }
    }

    /// <summary>The context, for kernels that a program compiles.</summary>
    public CudaContext Context => _context;

    public override string Explain(string call)
    {
        if (!call.StartsWith("aios_", StringComparison.Ordinal))
        {
            return CudaContext.LastError;
        }

        string text = Marshal.PtrToStringUTF8((nint)_aios.aios_last_error()) ?? "";
        _callbacks.Notice(); // launchers do not say whether the context has failed
        return _context.ExplainLaunch(text);
    }

    public override void Enter() => _context.Enter();

    public override IMemoryBackend ReserveMemory() => new CudaMemory(_context, Info.MemoryBytes);

    public override aios_status AllocateHost(long bytes, out nint memory)
    {
        _context.Enter();
        void* block = null;
        aios_status status = _context.Fold(_cuda.cuMemHostAlloc(&block, (nuint)bytes, CudaConstants.CU_MEMHOSTALLOC_PORTABLE));
        memory = (nint)block;
        return status;
    }

    public override aios_status FreeHost(nint memory, long bytes)
    {
        _context.Enter();
        return _context.Fold(_cuda.cuMemFreeHost((void*)memory));
    }

    public override aios_status CreateStream(StreamPriority priority, out aios_stream stream)
    {
        stream = default;
        if (priority is not (StreamPriority.High or StreamPriority.Normal or StreamPriority.Low))
        {
            return CudaContext.Fail(aios_status.InvalidArgument, $"priority is {(int)priority}, but there are -1 (high), 0 and 1 (low)");
        }

        _context.Enter();
        int level = priority switch
        {
            StreamPriority.High => _greatestPriority,
            StreamPriority.Low => _leastPriority,
            _ => (_greatestPriority + _leastPriority) / 2,
        };
        CUstream created = default;
        CUresult result = _cuda.cuStreamCreateWithPriority(&created, (uint)CUstream_flags.NonBlocking, level);
        if (result == CUresult.Success)
        {
            var known = new CudaStream(created);
            result = _findings.Add(_context, known);
            _streams[created.Value] = known;
            _callbacks.Add(known);
            CudaTrace.Of(_context)?.Add(known);
            stream = new aios_stream(created.Value);
        }

        return _context.Fold(result);
    }

    public override long NumberOf(aios_stream stream) => _streams[stream.Value].Number;

    public override aios_status DestroyStream(aios_stream stream)
    {
        _context.Enter();
        if (_streams.TryRemove(stream.Value, out CudaStream? known))
        {
            _callbacks.Remove(known);
            _findings.Remove(known);
        }

        return _context.Fold(_cuda.cuStreamDestroy(new CUstream(stream.Value)));
    }

    public override aios_status Synchronize(aios_stream stream)
    {
        _context.Enter();
        return Settle(stream, _cuda.cuStreamSynchronize(new CUstream(stream.Value)));
    }

    public override aios_status Query(aios_stream stream)
    {
        _context.Enter();
        return Settle(stream, _cuda.cuStreamQuery(new CUstream(stream.Value)));
    }

    public override aios_status Wait(aios_stream stream, aios_event recorded)
    {
        _context.Enter();
        NoteWait(stream);
        CUresult result = _cuda.cuStreamWaitEvent(new CUstream(stream.Value), new CUevent(recorded.Value), 0);
        if (result == CUresult.Success)
        {
            NoteJoin(stream, recorded);
        }

        return _context.Fold(result);
    }

    public override aios_status CreateEvent(out aios_event created)
    {
        _context.Enter();
        CUevent made = default;
        aios_status status = _context.Fold(_cuda.cuEventCreate(&made, (uint)CUevent_flags.Default));
        created = new aios_event(made.Value);
        return status;
    }

    public override aios_status DestroyEvent(aios_event destroyed)
    {
        _context.Enter();
        _ = _recordings.TryRemove(destroyed.Value, out _);
        ForgetEvent(destroyed);
        return _context.Fold(_cuda.cuEventDestroy(new CUevent(destroyed.Value)));
    }

    public override aios_status Record(aios_event recorded, aios_stream stream)
    {
        _context.Enter();
        CUresult result = _cuda.cuEventRecord(new CUevent(recorded.Value), new CUstream(stream.Value));
        if (result == CUresult.Success)
        {
            _recordings[recorded.Value] = _streams[stream.Value];
            NoteRecord(recorded, stream);
        }

        return _context.Fold(result);
    }

    public override aios_status Synchronize(aios_event recorded)
    {
        _context.Enter();
        return _context.Fold(_cuda.cuEventSynchronize(new CUevent(recorded.Value)));
    }

    public override aios_status Query(aios_event recorded)
    {
        _context.Enter();
        return _context.Fold(_cuda.cuEventQuery(new CUevent(recorded.Value)));
    }

    public override aios_status Elapsed(aios_event start, aios_event end, out float milliseconds)
    {
        _context.Enter();
        float time = 0;
        CUresult result = _cuda.cuEventElapsedTime(&time, new CUevent(start.Value), new CUevent(end.Value));
        milliseconds = time;
        return result == CUresult.ErrorInvalidHandle
            ? CudaContext.Fail(aios_status.InvalidArgument, "an event was never recorded")
            : _context.Fold(result);
    }

    public override aios_status Copy(aios_stream stream, nint destination, nint source, long bytes)
    {
        _context.Enter();
        return _context.Fold(_cuda.cuMemcpyAsync(new CUdeviceptr((ulong)destination), new CUdeviceptr((ulong)source), (nuint)bytes, new CUstream(stream.Value)));
    }

    public override aios_status Fill(aios_stream stream, nint destination, byte value, long bytes)
    {
        _context.Enter();
        return _context.Fold(_cuda.cuMemsetD8Async(new CUdeviceptr((ulong)destination), value, (nuint)bytes, new CUstream(stream.Value)));
    }

    public override bool Reaches(DeviceDriver other) => other is CudaDriver driver && driver._context.Libraries == _context.Libraries;

    public override aios_status CopyPeer(aios_stream stream, DeviceDriver other, nint destination, nint source, long bytes)
    {
        _context.Enter();
        return _context.Fold(_cuda.cuMemcpyPeerAsync(
            new CUdeviceptr((ulong)destination), ((CudaDriver)other)._context.Handle, new CUdeviceptr((ulong)source), _context.Handle, (nuint)bytes, new CUstream(stream.Value)));
    }

    public override aios_status Call(
        aios_stream stream, delegate* unmanaged[Cdecl]<void*, aios_status, byte*, aios_status> function, nint user)
    {
        _context.Enter();
        CudaStream known = _streams[stream.Value];
        if (CaptureOf(stream) is { } capture)
        {
            CUresult captured = _callbacks.Capture(known, function, user, out nint call);
            if (call != 0)
            {
                capture.Calls.Add(call);
            }

            return _context.Fold(captured);
        }

        return _context.Fold(_callbacks.Enqueue(known, function, user));
    }

    public override aios_status Call(
        aios_event recorded, delegate* unmanaged[Cdecl]<void*, aios_status, byte*, aios_status> function, nint user)
    {
        _context.Enter();
        if (_context.Fold(_cuda.cuEventQuery(new CUevent(recorded.Value))) == aios_status.InvalidArgument)
        {
            return aios_status.InvalidArgument; // it was captured: the stream that waits would be drawn into the capture
        }

        byte nothing = 0;
        CUresult result = _recordings.TryGetValue(recorded.Value, out CudaStream? stream)
            ? _callbacks.Enqueue(stream, new CUevent(recorded.Value), function, user)
            : CUresult.Success;
        if (stream is null)
        {
            _ = function((void*)user, aios_status.Ok, &nothing); // it was never recorded
        }

        return _context.Fold(result);
    }

    public override void SetCallSite(aios_stream stream, nint site) => _streams[stream.Value].Note(site);

    public override void Dispose()
    {
        _context.Enter();
        _context.Failed -= _callbacks.Fail;
        _callbacks.Dispose();
    }

    /// <summary>What a wait for a stream came to: the context's error, or else the stream's own.</summary>
    private aios_status Settle(aios_stream stream, CUresult result)
    {
        CudaStream known = _streams[stream.Value];
        if (result == CUresult.Success)
        {
            _findings.Take(known);
            if (known.Error is { } error)
            {
                return CudaContext.Fail(error.Status, error.Text);
            }

            known.ForgetSites();
            return aios_status.Ok;
        }

        aios_status status = _context.Fold(result);
        return CudaErrors.IsFatal(result) ? CudaContext.Fail(status, known.Located(CudaContext.LastError)) : status;
    }

    /// <summary>Fills one number by a kernel: fails when the library has none for this device.</summary>
    private void LaunchProbe()
    {
        const float Value = 3;
        CUdeviceptr memory = default;
        float read = 0;
        _context.Require(_cuda.cuMemAlloc(&memory, sizeof(float)), "cuMemAlloc");
        _ = CreateStream(StreamPriority.Normal, out aios_stream stream);
        aios_status status = Kernels.aios_fill(stream, (void*)memory.Value, 1, Value, aios_dtype.F32);
        string problem = status == aios_status.Ok ? "" : Explain("aios_fill");
        if (status == aios_status.Ok)
        {
            status = Copy(stream, (nint)(&read), (nint)memory.Value, sizeof(float));
            status = status == aios_status.Ok ? Synchronize(stream) : status;
            problem = status == aios_status.Ok && read != Value
                ? string.Create(CultureInfo.InvariantCulture, $"a kernel that writes {Value} wrote {read}")
                : CudaContext.LastError;
        }

        _ = DestroyStream(stream);
        _ = _cuda.cuMemFree(memory);
        if (status != aios_status.Ok || read != Value)
        {
            throw new BackendException(
                status == aios_status.Ok ? aios_status.Internal : status, "aios_fill",
                $"{Info.Name} ({Info.Isa}) cannot run the kernels of {_context.Libraries.Path}: {problem}");
        }
    }

    private DeviceInfo ReadInfo()
    {
        const int NameBytes = 256;
        byte* name = stackalloc byte[NameBytes];
        nuint bytes = 0;
        _context.Require(_cuda.cuDeviceGetName(name, NameBytes, _context.Device), "cuDeviceGetName");
        _context.Require(_cuda.cuDeviceTotalMem(&bytes, _context.Device), "cuDeviceTotalMem");
        int processors = _context.Attribute(CUdevice_attribute.MultiprocessorCount);
        int capability = (_context.Attribute(CUdevice_attribute.ComputeCapabilityMajor) * 10) + _context.Attribute(CUdevice_attribute.ComputeCapabilityMinor);
        return new DeviceInfo(
            Marshal.PtrToStringUTF8((nint)name)!, string.Create(CultureInfo.InvariantCulture, $"sm_{capability}"), processors, processors, (long)bytes,
            _context.Attribute(CUdevice_attribute.MaxSharedMemoryPerMultiprocessor), _context.Attribute(CUdevice_attribute.L2CacheSize), 0, null);
    }
}

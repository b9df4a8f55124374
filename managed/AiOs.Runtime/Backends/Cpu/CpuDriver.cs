using System.Runtime.InteropServices;
using System.Text;
using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>The calls of aios_cpu.h. Device memory is host memory, so pinned memory comes from the same place.</summary>
internal sealed unsafe class CpuDriver : DeviceDriver
{
    private readonly AiosTable _aios;
    private readonly CpuTable _cpu;
    private DeviceInfo _info;

    /// <summary>Binds the provider.</summary>
    /// <exception cref="BackendException">The processor cannot run the kernels that were asked for.</exception>
    public CpuDriver(nint library)
    {
        _aios = new AiosTable(library);
        _cpu = new CpuTable(library);
        Kernels = new KernelTable(library);
        _info = ReadInfo();
    }

    public override DeviceInfo Info => _info;

    public override KernelTable Kernels { get; }

    public override aios_dlpack_device InterchangeDevice => new() { type = aios_dlpack_device_type.Cpu, id = 0 };

    public override long AvailableMemory
    {
        get
        {
            long bytes = 0;
            _ = _cpu.aios_cpu_available_memory(&bytes);
            return bytes;
        }
    }

    public override string Explain(string call) => Marshal.PtrToStringUTF8((nint)_aios.aios_last_error()) ?? "";

    /// <summary>Sets the number of workers of the process-wide pool.</summary>
    public void SetThreads(int threads)
    {
        Check(_cpu.aios_cpu_set_threads(threads), "aios_cpu_set_threads");
        _info = ReadInfo();
    }

    public override IMemoryBackend ReserveMemory() => new CpuMemory(_cpu, _info.MemoryBytes, Check);

    public override aios_status AllocateHost(long bytes, out nint memory)
    {
        void* block = null;
        aios_status status = _cpu.aios_cpu_alloc(&block, bytes);
        memory = (nint)block;
        return status;
    }

    public override aios_status FreeHost(nint memory, long bytes) => _cpu.aios_cpu_free((void*)memory, bytes);

    public override aios_status CreateStream(StreamPriority priority, out aios_stream stream)
    {
        fixed (aios_stream* created = &stream)
        {
            return _cpu.aios_cpu_stream_create(created, (int)priority);
        }
    }

    public override long NumberOf(aios_stream stream)
    {
        long number = -1;
        _ = _cpu.aios_cpu_stream_get_number(stream, &number);
        return number;
    }

    public override aios_status DestroyStream(aios_stream stream) => _cpu.aios_cpu_stream_destroy(stream);

    public override aios_status Synchronize(aios_stream stream) => _cpu.aios_cpu_stream_synchronize(stream);

    public override aios_status Query(aios_stream stream) => _cpu.aios_cpu_stream_query(stream);

    public override aios_status Wait(aios_stream stream, aios_event recorded) =>
        _cpu.aios_cpu_stream_wait_event(stream, recorded);

    public override aios_status CreateEvent(out aios_event created)
    {
        fixed (aios_event* target = &created)
        {
            return _cpu.aios_cpu_event_create(target);
        }
    }

    public override aios_status DestroyEvent(aios_event destroyed) => _cpu.aios_cpu_event_destroy(destroyed);

    public override aios_status Record(aios_event recorded, aios_stream stream) =>
        _cpu.aios_cpu_event_record(recorded, stream);

    public override aios_status Synchronize(aios_event recorded) => _cpu.aios_cpu_event_synchronize(recorded);

    public override aios_status Query(aios_event recorded) => _cpu.aios_cpu_event_query(recorded);

    public override aios_status Elapsed(aios_event start, aios_event end, out float milliseconds)
    {
        fixed (float* target = &milliseconds)
        {
            return _cpu.aios_cpu_event_elapsed(target, start, end);
        }
    }

    public override aios_status Copy(aios_stream stream, nint destination, nint source, long bytes) =>
        _cpu.aios_cpu_memcpy_async(stream, (void*)destination, (void*)source, bytes);

    public override aios_status Fill(aios_stream stream, nint destination, byte value, long bytes) =>
        _cpu.aios_cpu_memset_async(stream, (void*)destination, value, bytes);

    public override aios_status Call(
        aios_stream stream, delegate* unmanaged[Cdecl]<void*, aios_status, byte*, aios_status> function, nint user) =>
        _cpu.aios_cpu_stream_callback(stream, function, (void*)user);

    public override aios_status Call(
        aios_event recorded, delegate* unmanaged[Cdecl]<void*, aios_status, byte*, aios_status> function, nint user) =>
        _cpu.aios_cpu_event_callback(recorded, function, (void*)user);

    public override aios_status BeginCapture(aios_stream stream) => _cpu.aios_cpu_stream_begin_capture(stream);

    public override aios_status EndCapture(aios_stream stream, out aios_graph graph)
    {
        fixed (aios_graph* created = &graph)
        {
            return _cpu.aios_cpu_stream_end_capture(stream, created);
        }
    }

    public override long Captured(aios_stream stream)
    {
        long nodes = -1;
        _ = _cpu.aios_cpu_stream_get_capture(stream, &nodes);
        return nodes;
    }

    public override aios_status BeginUpdate(aios_stream stream, aios_graph graph, long first, long count) =>
        _cpu.aios_cpu_stream_begin_update(stream, graph, first, count);

    public override aios_status EndUpdate(aios_stream stream) => _cpu.aios_cpu_stream_end_update(stream);

    public override aios_status Launch(aios_graph graph, aios_stream stream) => _cpu.aios_cpu_graph_launch(graph, stream);

    public override aios_status DestroyGraph(aios_graph graph) => _cpu.aios_cpu_graph_destroy(graph);

    public override aios_status Describe(aios_graph graph, out GraphShape shape)
    {
        aios_cpu_graph_info info = default;
        aios_status status = _cpu.aios_cpu_graph_get_info(graph, &info);
        shape = new GraphShape((int)info.nodes, (int)info.branches, (int)info.edges, (int)info.commands);
        return status;
    }

    public override aios_status Describe(aios_graph graph, long index, out GraphNode node)
    {
        aios_cpu_graph_node found = default;
        aios_status status = _cpu.aios_cpu_graph_get_node(graph, index, &found);
        node = new GraphNode(Text(MemoryMarshal.CreateReadOnlySpan(ref *(byte*)&found.name, 64)), (int)found.branch);
        return status;
    }

    public override void SetCallSite(aios_stream stream, nint site) => _ = _cpu.aios_cpu_set_call_site((byte*)site);

    public override aios_status StartTrace(long capacity) => _cpu.aios_cpu_trace_start(capacity);

    public override aios_status StopTrace(out long records, out long dropped)
    {
        fixed (long* count = &records, lost = &dropped)
        {
            return _cpu.aios_cpu_trace_stop(count, lost);
        }
    }

    public override aios_status ReadTrace(long index, out TraceRecord record)
    {
        aios_cpu_trace_record found = default;
        aios_status status = _cpu.aios_cpu_trace_read(index, &found);
        string name = Text(MemoryMarshal.CreateReadOnlySpan(ref *(byte*)&found.name, 64));
        record = new TraceRecord(
            name, found.stream, (int)found.branch, found.thread, found.enqueued_ns, found.start_ns, found.end_ns, found.bytes);
        return status;
    }

    public override void Dispose()
    {
        // All of it is the process's own.
    }

    private DeviceInfo ReadInfo()
    {
        aios_cpu_info info = default;
        Check(_cpu.aios_cpu_get_info(&info), "aios_cpu_get_info");
        return new DeviceInfo(
            Text(MemoryMarshal.CreateReadOnlySpan(ref *(byte*)&info.name, 128)),
            Text(MemoryMarshal.CreateReadOnlySpan(ref *(byte*)&info.isa, 32)),
            info.threads, info.cores, info.memory_bytes, info.l1_bytes, info.l2_bytes, info.l3_bytes,
            info.quota > 0 ? info.quota : null);
    }

    private static string Text(ReadOnlySpan<byte> zeroTerminated)
    {
        int end = zeroTerminated.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? zeroTerminated : zeroTerminated[..end]);
    }

    private void Check(aios_status status, string call)
    {
        if (status != aios_status.Ok)
        {
            throw new BackendException(status, call, $"{call}: {Explain(call)}");
        }
    }
}

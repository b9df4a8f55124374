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

    public override string LastError => Marshal.PtrToStringUTF8((nint)_aios.aios_last_error()) ?? "";

    public override long AvailableMemory
    {
        get
        {
            long bytes = 0;
            _ = _cpu.aios_cpu_available_memory(&bytes);
            return bytes;
        }
    }

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

    public override aios_status CreateStream(out aios_stream stream)
    {
        fixed (aios_stream* created = &stream)
        {
            return _cpu.aios_cpu_stream_create(created);
        }
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
            throw new BackendException(status, call, $"{call}: {LastError}");
        }
    }
}

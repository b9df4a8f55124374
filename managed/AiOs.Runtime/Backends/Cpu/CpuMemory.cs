using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>
/// Memory of the processor: a range of addresses sixteen times as large as the machine's memory, or as much of it as the
/// process may have.
/// </summary>
internal sealed unsafe class CpuMemory : IMemoryBackend
{
    private const int Times = 16;

    private readonly CpuTable _cpu;
    private long _mapped;

    /// <summary>Reserves the range.</summary>
    /// <exception cref="BackendException">Not even as many addresses as the machine has memory can be had.</exception>
    public CpuMemory(CpuTable cpu, long machineBytes, Action<aios_status, string> check)
    {
        _cpu = cpu;
        long capacity = (machineBytes + Granularity - 1) & -Granularity;
        for (Capacity = capacity * Times; ; Capacity /= 2)
        {
            void* range = null;
            aios_status status = cpu.aios_cpu_reserve(&range, Capacity);
            if (status != aios_status.OutOfMemory || Capacity / 2 < capacity)
            {
                check(status, "aios_cpu_reserve");
                Base = (nint)range;
                return;
            }
        }
    }

    public nint Base { get; }

    public long Capacity { get; }

    public long Granularity => 2 << 20;

    public bool TryMap(long offset, long bytes)
    {
        if (_cpu.aios_cpu_commit((void*)(Base + (nint)offset), bytes) != aios_status.Ok)
        {
            return false;
        }

        _mapped += bytes;
        MemoryPressure.Add(bytes);
        return true;
    }

    public void Unmap(long offset, long bytes)
    {
        _ = _cpu.aios_cpu_decommit((void*)(Base + (nint)offset), bytes);
        _mapped -= bytes;
        MemoryPressure.Remove(bytes);
    }

    public void Release()
    {
        _ = _cpu.aios_cpu_release((void*)Base, Capacity);
        MemoryPressure.Remove(_mapped);
        _mapped = 0;
    }
}

using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>
/// What a backend gives the runtime: the provider's raw calls behind one shape. Nothing here throws for a failed call;
/// statuses are turned into exceptions in one place, <see cref="Device.Check"/>.
/// </summary>
internal abstract class DeviceDriver
{
    public abstract DeviceInfo Info { get; }

    public abstract KernelTable Kernels { get; }

    /// <summary>What other libraries call the device's memory (aios_dlpack.h).</summary>
    public abstract aios_dlpack_device InterchangeDevice { get; }

    /// <summary>Text of the calling thread's last failure.</summary>
    public abstract string LastError { get; }

    /// <summary>Bytes that the device could give out now.</summary>
    public abstract long AvailableMemory { get; }

    /// <summary>Reserves a range of addresses for the device's memory.</summary>
    /// <exception cref="BackendException">The provider failed.</exception>
    public abstract IMemoryBackend ReserveMemory();

    /// <summary>Host memory that copies from and to the device can run from without staging.</summary>
    public abstract aios_status AllocateHost(long bytes, out nint memory);

    public abstract aios_status FreeHost(nint memory, long bytes);

    public abstract aios_status CreateStream(out aios_stream stream);

    public abstract aios_status DestroyStream(aios_stream stream);

    public abstract aios_status Synchronize(aios_stream stream);

    public abstract aios_status Query(aios_stream stream);

    public abstract aios_status Wait(aios_stream stream, aios_event recorded);

    public abstract aios_status CreateEvent(out aios_event created);

    public abstract aios_status DestroyEvent(aios_event destroyed);

    public abstract aios_status Record(aios_event recorded, aios_stream stream);

    public abstract aios_status Synchronize(aios_event recorded);

    public abstract aios_status Query(aios_event recorded);

    public abstract aios_status Elapsed(aios_event start, aios_event end, out float milliseconds);

    public abstract aios_status Copy(aios_stream stream, nint destination, nint source, long bytes);

    public abstract aios_status Fill(aios_stream stream, nint destination, byte value, long bytes);
}

using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>
/// What a backend gives the runtime: the provider's raw calls behind one shape. Nothing here throws for a failed call;
/// statuses are turned into exceptions in one place, <see cref="Device.Check"/>.
/// </summary>
internal abstract unsafe class DeviceDriver : IDisposable
{
    public abstract DeviceInfo Info { get; }

    public abstract KernelTable Kernels { get; }

    /// <summary>What other libraries call the device's memory (aios_dlpack.h).</summary>
    public abstract aios_dlpack_device InterchangeDevice { get; }

    /// <summary>Whether <see cref="Enter"/> has to be called before anything is launched.</summary>
    public virtual bool NeedsThread => false;

    /// <summary>Whether the device is gone: every later call fails.</summary>
    public virtual bool IsLost => false;

    /// <summary>Bytes that the device could give out now.</summary>
    public abstract long AvailableMemory { get; }

    /// <summary>Text of the calling thread's last failure.</summary>
    /// <param name="call">What failed: launchers, whose names begin with <c>aios_</c>, may be of another library than the rest.</param>
    public abstract string Explain(string call);

    /// <summary>Makes the device the calling thread's, for launches.</summary>
    public virtual void Enter()
    {
    }

    /// <summary>Reserves a range of addresses for the device's memory.</summary>
    /// <exception cref="BackendException">The provider failed.</exception>
    public abstract IMemoryBackend ReserveMemory();

    /// <summary>Host memory that copies from and to the device can run from without staging.</summary>
    public abstract aios_status AllocateHost(long bytes, out nint memory);

    public abstract aios_status FreeHost(nint memory, long bytes);

    public abstract aios_status CreateStream(StreamPriority priority, out aios_stream stream);

    /// <summary>The number by which traces name the stream.</summary>
    public abstract long NumberOf(aios_stream stream);

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

    /// <summary>Whether memory can be copied to another device.</summary>
    public virtual bool Reaches(DeviceDriver other) => other.GetType() == GetType();

    /// <summary>Enqueues a copy to memory of a device that can be reached.</summary>
    public virtual aios_status CopyPeer(aios_stream stream, DeviceDriver other, nint destination, nint source, long bytes) =>
        Copy(stream, destination, source, bytes);

    public abstract aios_status Fill(aios_stream stream, nint destination, byte value, long bytes);

    /// <summary>Enqueues a call of a function, also when the stream has failed.</summary>
    public abstract aios_status Call(
        aios_stream stream, delegate* unmanaged[Cdecl]<void*, aios_status, byte*, aios_status> function, nint user);

    /// <summary>Has a function called when the event has completed; at once when it has.</summary>
    public abstract aios_status Call(
        aios_event recorded, delegate* unmanaged[Cdecl]<void*, aios_status, byte*, aios_status> function, nint user);

    public abstract aios_status BeginCapture(aios_stream stream);

    public abstract aios_status EndCapture(aios_stream stream, out aios_graph graph);

    /// <summary>Nodes of the capture or update that the stream takes part in; -1 when there is none.</summary>
    public abstract long Captured(aios_stream stream);

    public abstract aios_status BeginUpdate(aios_stream stream, aios_graph graph, long first, long count);

    public abstract aios_status EndUpdate(aios_stream stream);

    public abstract aios_status Launch(aios_graph graph, aios_stream stream);

    public abstract aios_status DestroyGraph(aios_graph graph);

    public abstract aios_status Describe(aios_graph graph, out GraphShape shape);

    /// <summary>Name and branch of a node.</summary>
    public abstract aios_status Describe(aios_graph graph, long index, out GraphNode node);

    /// <summary>
    /// Errors of what the calling thread enqueues to the stream from now on name the text, zero-terminated, that lives for
    /// ever.
    /// </summary>
    public abstract void SetCallSite(aios_stream stream, nint site);

    public abstract aios_status StartTrace(long capacity);

    public abstract aios_status StopTrace(out long records, out long dropped);

    /// <summary>Why the trace that was stopped last has no commands, and what to do; null when it has them.</summary>
    public virtual string? TraceProblem => null;

    public abstract aios_status ReadTrace(long index, out TraceRecord record);

    /// <summary>Gives back what the driver holds; nothing of the device is in use.</summary>
    public abstract void Dispose();
}

using System.Collections.Concurrent;

namespace AiOs.Interop;

/// <summary>
/// Is told by the launchers of an observed table (<see cref="KernelTable.Observed"/>) what they are about to access. A
/// launcher finds the observer by its stream, because a C function has nowhere to keep one.
/// </summary>
public abstract unsafe class AccessObserver
{
    private static readonly ConcurrentDictionary<aios_stream, AccessObserver> s_observers = new();

    /// <summary>The provider's own functions.</summary>
    public abstract KernelTable Kernels { get; }

    /// <summary>The observer of a stream; null when it has none, and launchers reject the stream.</summary>
    public static AccessObserver? Of(aios_stream stream) => s_observers.GetValueOrDefault(stream);

    /// <summary>Makes this the observer of a stream.</summary>
    public void Observe(aios_stream stream) => s_observers[stream] = this;

    /// <summary>Ends the observation of a stream.</summary>
    public static void Forget(aios_stream stream) => s_observers.TryRemove(stream, out _);

    /// <summary>Is told of a launch before it is enqueued. Never throws: its caller is a C function.</summary>
    /// <returns>False to enqueue nothing and let the launcher fail.</returns>
    public abstract bool Admit(aios_stream stream, AccessList accesses);

    /// <summary>Is told what the launcher returned. Never throws.</summary>
    /// <returns>What the caller gets.</returns>
    public abstract aios_status Close(AccessList accesses, aios_status status);

    /// <summary>
    /// How many rows of a table in device memory can be read now, on the host, as the launch will find them: all or none.
    /// Never throws.
    /// </summary>
    /// <param name="stream">The stream of the launch.</param>
    /// <param name="rows">The table.</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="size">Bytes of a row.</param>
    public abstract long ReadableRows(aios_stream stream, void* rows, long count, long size);
}

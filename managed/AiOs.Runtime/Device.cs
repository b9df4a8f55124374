using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>
/// An opened device: its kernels, its memory and its streams. Dispose it after everything made from it; what is still
/// allocated then is reported as a leak and given back all the same. Safe for use by several threads.
/// </summary>
public sealed class Device : IDisposable
{
    private readonly DeviceOptions _options;
    private readonly List<Stream> _streams = [];
    private readonly Lock _gate = new();
    private readonly ConcurrentQueue<IDisposable> _abandoned = new();
    private volatile bool _disposed;

    private Device(string name, DeviceDriver driver, DeviceOptions options)
    {
        Name = name;
        Driver = driver;
        _options = options;
        Races = options.DetectRaces ? new RaceDetector(this) : null;
        Kernels = Races is null ? driver.Kernels : driver.Kernels.Observed();
        Memory = new CachingAllocator(this, options);
        RuntimeTelemetry.Add(this);
    }

    /// <summary>The name it was opened by, such as "cpu" or "cuda:1".</summary>
    public string Name { get; }

    /// <summary>What the device is made of.</summary>
    public DeviceInfo Info => Driver.Info;

    /// <summary>The operations of aios_kernels.h as this device implements them.</summary>
    public KernelTable Kernels { get; }

    /// <summary>The device's memory.</summary>
    public CachingAllocator Memory { get; }

    /// <summary>Finds unordered accesses; null unless <see cref="DeviceOptions.DetectRaces"/> asked for it.</summary>
    public RaceDetector? Races { get; }

    /// <summary>True once <see cref="Dispose"/> was called.</summary>
    public bool IsDisposed => _disposed;

    internal DeviceDriver Driver { get; }

    /// <summary>Whether launches note where they are made.</summary>
    internal bool CapturesCallSites => _options.CaptureCallSites;

    /// <summary>Which work of the streams comes before which.</summary>
    internal ClockTable Clocks { get; } = new();

    /// <summary>The device that is opened when none is named: what the environment's AIOS_BACKEND says, or else "cpu".</summary>
    public static string DefaultName { get; } =
        Environment.GetEnvironmentVariable("AIOS_BACKEND") is { Length: > 0 } name ? name : "cpu";

    /// <summary>Opens a device.</summary>
    /// <param name="name">
    /// Name of the backend, see <see cref="Backends.Names"/>, and the number of its device unless that is 0: "cuda:1".
    /// Null for <see cref="DefaultName"/>.
    /// </param>
    /// <param name="options">How to open it; null for the defaults.</param>
    /// <returns>The device; dispose it last.</returns>
    /// <exception cref="BackendException">
    /// There is no such backend or it cannot be used here; the message says why and what to do.
    /// </exception>
    public static Device Open(string? name = null, DeviceOptions? options = null)
    {
        name ??= DefaultName;
        options ??= new DeviceOptions();
        return new Device(name, Backends.Open(name, options), options);
    }

    /// <summary>
    /// Reads how the device is now: temperature, power, clocks, memory, other processes. Allocates nothing on the device, waits
    /// for none of its work, and works when the device is lost, which the reading then says.
    /// </summary>
    public DeviceSensors ReadSensors() => Backends.ReadSensors(Name);

    /// <summary>Creates an in-order stream of work.</summary>
    /// <param name="options">Its name and priority; null for none and the usual one.</param>
    /// <exception cref="BackendException">The provider failed.</exception>
    public Stream CreateStream(StreamOptions? options = null)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        options ??= new StreamOptions();
        Check(Driver.CreateStream(options.Priority, out aios_stream handle), "stream_create");
        var stream = new Stream(this, handle, options);
        Memory.AddStream(stream);
        Races?.Add(stream);
        lock (_gate)
        {
            _streams.Add(stream);
        }

        return stream;
    }

    /// <summary>Creates an event that was never recorded.</summary>
    /// <exception cref="BackendException">The provider failed.</exception>
    public Event CreateEvent()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Check(Driver.CreateEvent(out aios_event handle), "event_create");
        return new Event(this, handle);
    }

    /// <summary>Allocates device memory; the contents are undefined.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="length">Number of elements.</param>
    /// <param name="stream">The stream that uses the memory; its order decides when freed memory is used again.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is negative, or has more than 2^63 - 1 bytes.</exception>
    /// <exception cref="DeviceOutOfMemoryException">The device has no memory left.</exception>
    public DeviceMemory<T> Allocate<T>(long length, Stream stream)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, long.MaxValue / Unsafe.SizeOf<T>());
        return new DeviceMemory<T>(stream, Memory.Allocate(length * Unsafe.SizeOf<T>(), stream), length);
    }

    /// <summary>Allocates host memory that copies run from and to without staging; the contents are undefined.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="length">Number of elements.</param>
    /// <exception cref="DeviceOutOfMemoryException">The machine has no memory left.</exception>
    public PinnedMemory<T> AllocatePinned<T>(int length)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new PinnedMemory<T>(this, length);
    }

    /// <summary>Waits for the work of all streams.</summary>
    /// <exception cref="BackendException">Work of a stream failed.</exception>
    public void Synchronize()
    {
        Sweep();
        foreach (Stream stream in Streams())
        {
            stream.SynchronizeAside();
        }
    }

    /// <summary>
    /// Waits for the work of all streams, frees blocks left over by finalisers, reports what is still allocated
    /// (see <see cref="DeviceOptions.OnLeak"/>) and gives all memory and streams back. Never throws for failed work.
    /// </summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        LeakReport leaks = Memory.Leaks();
        foreach (Stream stream in Streams())
        {
            stream.Dispose();
        }

        RuntimeTelemetry.Forget(this);
        _disposed = true;
        Sweep();
        Memory.Close();
        Driver.Dispose();
        if (leaks.Blocks.Count > 0)
        {
            if (_options.OnLeak is { } report)
            {
                report(leaks);
            }
            else if (_options.CaptureCallSites)
            {
                Console.Error.WriteLine(leaks);
            }
        }
    }

    /// <summary>Turns a failed status into an exception that carries the provider's own words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Check(aios_status status, string call)
    {
        if (status != aios_status.Ok)
        {
            Throw(status, call);
        }
    }

    /// <summary>Refuses what was made from another device.</summary>
    /// <exception cref="ArgumentException">The owner is another device.</exception>
    internal void Require(Device owner, string what, string parameter)
    {
        if (owner != this)
        {
            throw new ArgumentException($"the {what} is of another device ({owner.Name}) than it is used with ({Name})", parameter);
        }
    }

    /// <summary>Takes what a finaliser found and enqueued work may still use: memory of other libraries.</summary>
    internal void Abandon(IDisposable resource) => _abandoned.Enqueue(resource);

    /// <summary>Gives back what finalisers found, after the work that may use it.</summary>
    internal void Sweep()
    {
        // Counted first: what comes while the streams are drained may be used by later work.
        int count = _abandoned.Count;
        if (count > 0)
        {
            Drain();
        }

        for (; count > 0 && _abandoned.TryDequeue(out IDisposable? resource); count--)
        {
            resource.Dispose();
        }
    }

    /// <summary>Waits for the work of all streams, failed or not. Never throws.</summary>
    internal void Drain()
    {
        foreach (Stream stream in Streams())
        {
            stream.Drain();
        }
    }

    /// <summary>The names of the streams that are alive, by their numbers.</summary>
    internal IReadOnlyDictionary<long, string> StreamNames() => Streams().ToDictionary(stream => stream.Number, stream => stream.Name);

    internal void Forget(Stream stream)
    {
        lock (_gate)
        {
            _streams.Remove(stream);
        }
    }

    private Stream[] Streams()
    {
        lock (_gate)
        {
            return [.. _streams];
        }
    }

    /// <summary>What a failed status becomes.</summary>
    internal BackendException Error(aios_status status, string call, string problem)
    {
        string message = problem.Length == 0 ? $"{call} failed with status {status}" : $"{call}: {problem} ({status})";
        return Driver.IsLost ? new DeviceLostException(status, call, message) : new BackendException(status, call, message);
    }

    private void Throw(aios_status status, string call)
    {
        RaceDetector.ThrowPending();
        throw Error(status, call, Driver.Explain(call));
    }
}

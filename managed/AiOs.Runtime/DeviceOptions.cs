namespace AiOs.Runtime;

/// <summary>How a device is opened.</summary>
public sealed record DeviceOptions
{
    /// <summary>Workers that run kernels, 1 to 1024; null leaves the provider's choice (CPU backend only).</summary>
    public int? Threads { get; init; }

    /// <summary>
    /// Events of the memory's history that <see cref="CachingAllocator.Snapshot"/> shows, each with its stack; 0 records
    /// none. Costs tens of microseconds and about 100 bytes per event.
    /// </summary>
    public int MemoryHistory { get; init; }

    /// <summary>
    /// Opens the device with a <see cref="RaceDetector"/>, which makes every launch slower. On by default when the
    /// environment has AIOS_RACE_DETECT=1.
    /// </summary>
    public bool DetectRaces { get; init; } = Environment.GetEnvironmentVariable("AIOS_RACE_DETECT") == "1";

    /// <summary>
    /// Notes where each launch and each allocation is made, so that the error of a stream says which line enqueued the
    /// work that failed, and leaks and out-of-memory errors name who holds the memory. Costs microseconds and managed
    /// memory for each. On by default when the environment has AIOS_CALL_SITES=1.
    /// </summary>
    public bool CaptureCallSites { get; init; } = Environment.GetEnvironmentVariable("AIOS_CALL_SITES") == "1";

    /// <summary>Upper limit of the memory reserved from the device, in bytes; null for all the device has.</summary>
    public long? MemoryLimitBytes { get; init; }

    /// <summary>One more layer on top of the device's allocator, which sees all that goes in and out; null for none.</summary>
    internal Func<Allocator, Allocator>? Layer { get; init; }

    /// <summary>
    /// How much more memory than was ever in use may be reserved, as a part of that, before holes between blocks give their
    /// pages up for new blocks; 0.03 at first. More costs memory, less costs pages that are touched anew.
    /// </summary>
    public double MemorySlack { get; init; } = 0.03;

    /// <summary>Checks of what the program does with memory; at first what AIOS_MEMORY_CHECKS asks for.</summary>
    public MemoryChecks MemoryChecks { get; init; } = MemoryChecks.FromEnvironment();

    /// <summary>
    /// Receives the report when the device is disposed while blocks are still allocated. The default writes it to the
    /// standard error when <see cref="CaptureCallSites"/> is on and is silent otherwise.
    /// </summary>
    public Action<LeakReport>? OnLeak { get; init; }
}

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace AiOs.Runtime;

/// <summary>
/// The meter and the activity source named <c>AiOs.Runtime</c>: bytes allocated and reserved of each open device, which
/// are only read when somebody asks, and activities for recording and launching graphs.
/// </summary>
internal static class RuntimeTelemetry
{
    public const string Name = "AiOs.Runtime";

    private static readonly ConcurrentDictionary<Device, bool> s_devices = new();
    private static readonly Meter s_meter = new(Name);

    static RuntimeTelemetry()
    {
        s_meter.CreateObservableGauge(
            "aios.memory.allocated", () => Measure(now => now.AllocatedBytes), "By", "Bytes of the blocks in use.");
        s_meter.CreateObservableGauge(
            "aios.memory.reserved", () => Measure(now => now.ReservedBytes), "By", "Bytes taken from the device.");
    }

    public static ActivitySource Activities { get; } = new(Name);

    /// <summary>Whether a source is one of <c>AiOs.*</c>.</summary>
    public static bool IsOurs(ActivitySource source) => source.Name.StartsWith("AiOs.", StringComparison.Ordinal);

    /// <summary>Measures a device until <see cref="Forget"/>.</summary>
    public static void Add(Device device) => s_devices[device] = true;

    public static void Forget(Device device) => s_devices.TryRemove(device, out _);

    private static IEnumerable<Measurement<long>> Measure(Func<AllocatorStatistics, long> read)
    {
        foreach (Device device in s_devices.Keys)
        {
            yield return new Measurement<long>(read(device.Memory.Statistics), new KeyValuePair<string, object?>("device", device.Name));
        }
    }
}

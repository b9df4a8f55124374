using AiOs.Runtime;

namespace AiOs.Bench.Results;

/// <summary>How the device was when a figure was taken; what it does not say is null.</summary>
/// <param name="TemperatureCelsius">Temperature of the chip, in °C.</param>
/// <param name="PowerWatts">Power that the board drew, in W.</param>
/// <param name="SmClockMhz">Clock of the multiprocessors, in MHz.</param>
/// <param name="MemoryClockMhz">Clock of the memory, in MHz.</param>
/// <param name="HeldBackBy">What kept the clocks below their maximum although there was work, in words.</param>
public sealed record DeviceConditions(int? TemperatureCelsius, double? PowerWatts, int? SmClockMhz, int? MemoryClockMhz, string? HeldBackBy)
{
    /// <summary>What a reading says of them; null when it says nothing.</summary>
    internal static DeviceConditions? Of(DeviceSensors sensors)
    {
        var conditions = new DeviceConditions(
            sensors.TemperatureCelsius, sensors.PowerWatts, sensors.SmClockMhz, sensors.MemoryClockMhz, sensors.HeldBackBy());
        return conditions == new DeviceConditions(null, null, null, null, null) ? null : conditions;
    }

    /// <summary>A reading as a line for people; null when it says nothing.</summary>
    internal static string? Describe(DeviceSensors sensors)
    {
        IEnumerable<string> parts = new[]
        {
            sensors.ToString(),
            sensors.MemoryClockMhz is { } clock ? $"memory clock {clock} MHz" : "",
            sensors.HeldBackBy() is { } reasons ? $"clocks held back by {reasons}" : "",
        }.Where(part => part.Length > 0);
        return string.Join(", ", parts) is { Length: > 0 } line ? line : null;
    }
}

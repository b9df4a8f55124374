using System.Globalization;

namespace AiOs.Runtime;

/// <summary>
/// How a device was at one moment. What the device or its driver does not say is null, never a number made up for it; the
/// processor says nothing here. The driver's own averages, of power for instance, reach back up to a second.
/// </summary>
public sealed record DeviceSensors
{
    private static readonly (ClockLimits Limit, string Text)[] s_words =
    [
        (Runtime.ClockLimits.PowerCap, "power cap"),
        (Runtime.ClockLimits.SoftwareThermal, "heat (driver)"),
        (Runtime.ClockLimits.HardwareThermal, "heat (hardware)"),
        (Runtime.ClockLimits.PowerBrake, "power brake"),
        (Runtime.ClockLimits.HardwareSlowdown, "hardware slowdown"),
        (Runtime.ClockLimits.ApplicationSetting, "application setting"),
        (Runtime.ClockLimits.SyncBoost, "sync boost"),
        (Runtime.ClockLimits.DisplaySetting, "display setting"),
        (Runtime.ClockLimits.Other, "a reason that is unknown here"),
    ];

    /// <summary>Temperature of the chip, in °C.</summary>
    public int? TemperatureCelsius { get; init; }

    /// <summary>Power that the whole board draws, in W.</summary>
    public double? PowerWatts { get; init; }

    /// <summary>Power that it may draw, in W.</summary>
    public double? PowerLimitWatts { get; init; }

    /// <summary>Clock of the multiprocessors, in MHz.</summary>
    public int? SmClockMhz { get; init; }

    /// <summary>The highest that <see cref="SmClockMhz"/> may become, in MHz.</summary>
    public int? SmClockMaxMhz { get; init; }

    /// <summary>Clock of the memory, in MHz.</summary>
    public int? MemoryClockMhz { get; init; }

    /// <summary>The highest that <see cref="MemoryClockMhz"/> may become, in MHz.</summary>
    public int? MemoryClockMaxMhz { get; init; }

    /// <summary>Share of the recent time in which a kernel of any process ran, in percent.</summary>
    public int? SmUtilizationPercent { get; init; }

    /// <summary>Share of the recent time in which the memory was read or written, in percent.</summary>
    public int? MemoryUtilizationPercent { get; init; }

    /// <summary>Memory of the device that all processes use together, in bytes.</summary>
    public long? MemoryUsedBytes { get; init; }

    /// <summary>Memory of the device, in bytes.</summary>
    public long? MemoryTotalBytes { get; init; }

    /// <summary>
    /// The part of <see cref="MemoryUsedBytes"/> that is this process's, in bytes; null in containers whose processes have other
    /// numbers than the machine's.
    /// </summary>
    public long? OwnMemoryBytes { get; init; }

    /// <summary>What keeps the clocks below their maximum.</summary>
    public ClockLimits? ClockLimits { get; init; }

    /// <summary>How many other processes compute on the device.</summary>
    public int? OtherProcesses { get; init; }

    /// <summary>Errors of the memory that could not be corrected since the driver was loaded, which is usually since boot.</summary>
    public long? UncorrectedEccErrors { get; init; }

    /// <summary>Where the device is, such as <c>0000:3B:00.0</c>.</summary>
    public string? PciBusId { get; init; }

    /// <summary>Version of the driver, such as <c>550.54.14</c>.</summary>
    public string? DriverVersion { get; init; }

    /// <summary>Version of the library that was asked (NVML).</summary>
    public string? NvmlVersion { get; init; }

    /// <summary>Whether the device has fallen off the bus.</summary>
    public bool IsLost { get; init; }

    /// <summary>The first thing that went wrong while it was read, as one line; null when nothing did.</summary>
    public string? Problem { get; init; }

    /// <summary>
    /// Words for what keeps the clocks below their maximum although there is work, such as "power cap, heat (driver)"; null when
    /// nothing does or nobody says.
    /// </summary>
    public string? HeldBackBy()
    {
        IEnumerable<string> words = s_words.Where(word => ClockLimits is { } limits && limits.HasFlag(word.Limit)).Select(word => word.Text);
        return string.Join(", ", words) is { Length: > 0 } text ? text : null;
    }

    /// <summary>Temperature, power and clock as a line, such as <c>41 °C, 112 of 700 W, SM clock 1980 of 1980 MHz</c>; empty without any.</summary>
    public override string ToString()
    {
        IEnumerable<string> parts = new[]
        {
            TemperatureCelsius is { } degrees ? string.Create(CultureInfo.InvariantCulture, $"{degrees} °C") : null,
            OutOf(PowerWatts, PowerLimitWatts, "W"),
            OutOf(SmClockMhz, SmClockMaxMhz, "MHz") is { } clock ? "SM clock " + clock : null,
        }.OfType<string>();
        return string.Join(", ", parts);
    }

    private static string? OutOf(double? value, double? most, string unit) => (value, most) switch
    {
        ({ } known, { } limit) => string.Create(CultureInfo.InvariantCulture, $"{known:F0} of {limit:F0} {unit}"),
        ({ } known, null) => string.Create(CultureInfo.InvariantCulture, $"{known:F0} {unit}"),
        _ => null,
    };
}

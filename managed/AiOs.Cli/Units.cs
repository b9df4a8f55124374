using System.Globalization;
using AiOs.Runtime;

namespace AiOs.Cli;

/// <summary>Numbers and names for people, the same on every machine.</summary>
internal static class Units
{
    /// <summary>A count with thousands separators.</summary>
    public static string Count(double value) => value.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>What <c>--backend</c> calls a backend's device.</summary>
    public static string Device(string backend, int index) => index == 0 ? backend : $"{backend}:{Count(index)}";

    /// <summary>How many workers a device has, and of what kind.</summary>
    public static string Workers(string backend, long count) => $"{Count(count)} {Backends.Workers(backend)}";

    /// <summary>Bytes in the largest binary unit that leaves at least one.</summary>
    public static string Bytes(double bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
        int unit = 0;
        for (; bytes >= 1024 && unit < units.Length - 1; unit++)
        {
            bytes /= 1024;
        }

        return bytes.ToString(unit == 0 || bytes >= 100 ? "F0" : "F1", CultureInfo.InvariantCulture) + " " + units[unit];
    }

    /// <summary>A duration to the second: 42s, 3m 07s, 2h 05m.</summary>
    public static string Duration(TimeSpan time)
    {
        long seconds = (long)Math.Round(Math.Max(0, time.TotalSeconds));
        return seconds switch
        {
            < 60 => string.Create(CultureInfo.InvariantCulture, $"{seconds}s"),
            < 3600 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 60}m {seconds % 60:00}s"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{seconds / 3600}h {seconds / 60 % 60:00}m"),
        };
    }

    /// <summary>A loss in nats with the decimals that matter.</summary>
    public static string Loss(double loss) => loss.ToString("F4", CultureInfo.InvariantCulture);
}

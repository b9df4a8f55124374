using System.Globalization;
using AiOs.Runtime;

namespace AiOs.Soak;

/// <summary>
/// Looks at the memory from time to time and says whether it is flat: the greatest values of the last third of the run
/// are no more than those of the second, give or take what randomness does. The first third is for warming up.
/// </summary>
internal sealed class MemoryWatch(Device device)
{
    private const double Tolerance = 1.15;

    private readonly List<(long Reserved, long Managed, long Resident)> _samples = [];

    /// <summary>Takes a sample and describes it.</summary>
    public string Sample()
    {
        AllocatorStatistics statistics = device.Memory.Statistics;
        _samples.Add((statistics.ReservedBytes, GC.GetTotalMemory(forceFullCollection: true), Environment.WorkingSet));
        (long reserved, long managed, long resident) = _samples[^1];
        return $"allocated {Mebibytes(statistics.AllocatedBytes)}, parked {Mebibytes(statistics.ParkedBytes)}, reserved {Mebibytes(reserved)}, "
            + $"managed {Mebibytes(managed)}, resident {Mebibytes(resident)} MiB, {statistics.LiveBlocks} blocks";
    }

    /// <summary>What has grown, as one line; null when nothing has, or there are too few samples to say.</summary>
    public string? Growth()
    {
        int third = _samples.Count / 3;
        if (third < 3)
        {
            return null;
        }

        (string Name, long Slack, Func<(long Reserved, long Managed, long Resident), long> Of)[] kinds =
            [("reserved", 16 << 20, s => s.Reserved), ("managed", 128 << 10, s => s.Managed), ("resident", 16 << 20, s => s.Resident)];
        string[] grown =
        [
            .. kinds.Select(kind => (kind.Name, kind.Slack, Before: _samples.Skip(third).Take(third).Max(kind.Of), After: _samples.TakeLast(third).Max(kind.Of)))
                .Where(kind => kind.After > (kind.Before * Tolerance) + kind.Slack)
                .Select(kind => $"{kind.Name} memory went from {Mebibytes(kind.Before)} to {Mebibytes(kind.After)} MiB"),
        ];
        return grown.Length == 0 ? null : string.Join("; ", grown);
    }

    private static string Mebibytes(long bytes) => (bytes / (double)(1 << 20)).ToString("0.0", CultureInfo.InvariantCulture);
}

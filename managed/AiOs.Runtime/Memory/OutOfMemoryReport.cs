using System.Globalization;

namespace AiOs.Runtime;

/// <summary>The words of the error when memory has run out: what was asked for, what there is, who holds it, what to do.</summary>
internal static class OutOfMemoryReport
{
    private const int LargestHolders = 5;

    /// <summary>One line about an allocation that failed.</summary>
    public static string Text(
        string device, long bytes, long total, long available, long limit, AllocatorStatistics statistics, List<RegionInfo> regions)
    {
        long largest = regions.Where(region => region.State == RegionState.Free).Select(region => region.Size).DefaultIfEmpty().Max();
        bool tracked = regions.Exists(region => region.Stack is not null);
        string atMost = limit < total ? $", of which this process may use {Size(limit)}" : "";
        return $"{device}: {Size(bytes)} could not be allocated; the device has {Size(total)}, {Size(available)} of it free{atMost}; "
            + $"this process has reserved {Size(statistics.ReservedBytes)}: {Size(statistics.AllocatedBytes)} are allocated "
            + $"(at most {Size(statistics.PeakAllocatedBytes)} so far), {Size(statistics.ParkedBytes)} are freed but still in use by other streams, "
            + $"{Size(statistics.ReservedBytes - statistics.AllocatedBytes - statistics.ParkedBytes)} are unused, "
            + $"of which {Size(largest)} in one piece; largest holders: {string.Join(", ", Holders(regions))}; use a smaller batch or model"
            + (tracked ? "" : ", or set AIOS_CALL_SITES=1 to see who holds the memory");
    }

    private static string Size(long bytes) => bytes < 10 << 20
        ? string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes")
        : string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1 << 20):0.0} MiB");

    private static IEnumerable<string> Holders(List<RegionInfo> regions) => regions
        .Where(region => region.State == RegionState.Live)
        .GroupBy(region => region.Stack?.Site ?? $"{Size(region.Requested)} each")
        .OrderByDescending(site => site.Sum(region => region.Size))
        .Take(LargestHolders)
        .Select(site => $"{site.Count()} blocks with {Size(site.Sum(region => region.Size))} ({site.Key})")
        .DefaultIfEmpty("none");
}

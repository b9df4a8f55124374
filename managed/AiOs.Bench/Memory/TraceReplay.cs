namespace AiOs.Bench.Memory;

/// <summary>What a placement made of a trace.</summary>
/// <param name="PeakReservedBytes">Greatest number of bytes it took from the device.</param>
/// <param name="Problem">A block that shares bytes with another one in use; null when there was none.</param>
internal sealed record TraceOutcome(long PeakReservedBytes, string? Problem);

/// <summary>Runs placements over traces.</summary>
internal static class TraceReplay
{
    /// <summary>Replays a trace, and looks after every allocation whether the block is alone.</summary>
    public static TraceOutcome Check(AllocationTrace trace, IPlacement placement)
    {
        long[] places = new long[trace.Sizes.Count];
        var live = new SortedSet<(long Start, int Id)>();
        long peak = 0;
        string? problem = null;
        foreach (TraceEvent e in trace.Events)
        {
            if (!e.IsAllocation)
            {
                live.Remove((places[e.Id], e.Id));
                placement.Free(e.Id, e.Stream);
                continue;
            }

            long start = places[e.Id] = placement.Allocate(e.Id, e.Bytes, e.Stream);
            peak = Math.Max(peak, placement.ReservedBytes);
            (long Start, int Id) below = live.GetViewBetween((long.MinValue, 0), (start, int.MaxValue)).Max;
            (long Start, int Id) above = live.GetViewBetween((start, 0), (long.MaxValue, int.MaxValue)).Min;
            bool first = live.Count == 0;
            live.Add((start, e.Id));
            if (!first && problem is null && (Overlaps(below) || Overlaps(above)))
            {
                problem = $"block {e.Id} of {e.Bytes} bytes shares memory with a block in use";
            }

            bool Overlaps((long Start, int Id) other) =>
                live.Contains(other) && other.Id != e.Id && other.Start < start + e.Bytes && start < other.Start + trace.Sizes[other.Id];
        }

        return new TraceOutcome(peak, problem);
    }
}

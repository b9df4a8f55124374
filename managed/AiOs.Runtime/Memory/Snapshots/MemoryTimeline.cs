using System.Collections.Immutable;

namespace AiOs.Runtime;

/// <summary>A block from when it was given out to when it was taken back.</summary>
/// <param name="Bytes">Bytes asked for.</param>
/// <param name="Stream">Number of the stream it was for.</param>
/// <param name="Site">Where it was allocated, in a few words.</param>
/// <param name="From">Number of the first event from which on it is allocated; 0 for one that was there before.</param>
/// <param name="To">Number of the event that ends it; the number of events for one that is there at the end.</param>
internal readonly record struct Lifetime(long Bytes, int Stream, string Site, int From, int To);

/// <summary>
/// What the history says about lifetimes. The state before event i is number i, the snapshot's own is the last one. Blocks
/// that were there before the history began are known from their end, or from being there at the end.
/// </summary>
internal sealed class MemoryTimeline
{
    private const string Unknown = "unknown";

    private MemoryTimeline(ImmutableArray<Lifetime> lifetimes, long[] allocated, long[] reserved)
    {
        Lifetimes = lifetimes;
        Allocated = allocated;
        Reserved = reserved;
        Peak = Array.IndexOf(allocated, allocated.Max());
    }

    /// <summary>All blocks of the time that the history covers.</summary>
    public ImmutableArray<Lifetime> Lifetimes { get; }

    /// <summary>Bytes asked for in allocated blocks, for each state.</summary>
    public long[] Allocated { get; }

    /// <summary>Bytes taken from the device, for each state.</summary>
    public long[] Reserved { get; }

    /// <summary>The first state in which most was allocated.</summary>
    public int Peak { get; }

    /// <summary>Follows the history of a snapshot.</summary>
    public static MemoryTimeline Of(MemorySnapshot snapshot)
    {
        int count = snapshot.History.Length;
        ImmutableArray<Lifetime>.Builder lifetimes = ImmutableArray.CreateBuilder<Lifetime>();
        var open = new Dictionary<nint, int>();
        for (int i = 0; i < count; i++)
        {
            MemoryEvent now = snapshot.History[i];
            if (now.Action == MemoryAction.Allocate)
            {
                open[now.Address] = i;
            }
            else if (now.Action == MemoryAction.Free)
            {
                bool seen = open.Remove(now.Address, out int start);
                string site = (seen ? snapshot.History[start].Stack?.Site : null) ?? Unknown;
                lifetimes.Add(new Lifetime(now.RequestedBytes, now.Stream, site, seen ? start + 1 : 0, i + 1));
            }
        }

        foreach (MemoryBlock block in snapshot.Blocks.Where(block => block.State == MemoryBlockState.Allocated))
        {
            int from = open.TryGetValue(block.Address, out int start) ? start + 1 : 0;
            lifetimes.Add(new Lifetime(block.RequestedBytes, block.Stream, block.Stack?.Site ?? Unknown, from, count + 1));
        }

        return new MemoryTimeline(lifetimes.ToImmutable(), Levels(lifetimes, count), ReservedLevels(snapshot));
    }

    /// <summary>Who holds the memory at the end and who did at the peak, by what they hold at the end.</summary>
    public ImmutableArray<MemoryHolder> Holders()
    {
        int end = Allocated.Length - 1;
        return
        [
            .. Lifetimes.GroupBy(block => block.Site).Select(group =>
            {
                Lifetime[] now = [.. group.Where(block => block.From <= end && end < block.To)];
                Lifetime[] peak = [.. group.Where(block => block.From <= Peak && Peak < block.To)];
                return new MemoryHolder(group.Key, now.Length, now.Sum(block => block.Bytes), peak.Length, peak.Sum(block => block.Bytes));
            }).Where(holder => holder.Blocks + holder.BlocksAtPeak > 0)
            .OrderByDescending(holder => holder.Bytes).ThenByDescending(holder => holder.BytesAtPeak).ThenBy(holder => holder.Site, StringComparer.Ordinal),
        ];
    }

    private static long[] Levels(IEnumerable<Lifetime> lifetimes, int count)
    {
        var levels = new long[count + 2];
        foreach (Lifetime block in lifetimes)
        {
            levels[block.From] += block.Bytes;
            levels[block.To] -= block.Bytes;
        }

        for (int i = 1; i < levels.Length; i++)
        {
            levels[i] += levels[i - 1];
        }

        return levels[..(count + 1)];
    }

    private static long[] ReservedLevels(MemorySnapshot snapshot)
    {
        var levels = new long[snapshot.History.Length + 1];
        levels[^1] = snapshot.ReservedBytes;
        for (int i = levels.Length - 2; i >= 0; i--)
        {
            MemoryEvent next = snapshot.History[i];
            levels[i] = levels[i + 1] + next.Action switch
            {
                MemoryAction.Map => -next.Bytes,
                MemoryAction.Unmap => next.Bytes,
                _ => 0,
            };
        }

        return levels;
    }
}

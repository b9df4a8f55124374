namespace AiOs.Runtime;

/// <summary>
/// Places blocks whose lifetimes are known, after the greedy-by-size strategy of Pisarchyk and Lee, "Efficient memory
/// management for deep neural net inference", 2020: the largest first, each into the smallest gap that it fits in among
/// those placed before that live at the same time.
/// </summary>
internal static class StepPacking
{
    /// <summary>Places all items.</summary>
    /// <returns>Bytes that they take together.</returns>
    public static long Place(Item[] items)
    {
        var placed = new List<Item>(items.Length); // By offset.
        long bytes = 0;
        foreach (Item item in items.OrderByDescending(item => item.Size).ThenBy(item => item.Start))
        {
            item.Offset = BestOffset(placed, item);
            bytes = Math.Max(bytes, item.Offset + item.Size);
            int index = placed.FindLastIndex(other => other.Offset <= item.Offset) + 1;
            placed.Insert(index, item);
        }

        return bytes;
    }

    /// <summary>Most bytes of the items that are in use at one moment, which no placement can do with less than.</summary>
    public static long MostInUse(Item[] items)
    {
        long most = 0, now = 0;
        foreach ((_, long change) in items
            .SelectMany(item => new[] { (Time: item.Start, Change: item.Size), (Time: item.End, Change: -item.Size) })
            .OrderBy(change => change.Time).ThenByDescending(change => change.Change))
        {
            now += change;
            most = Math.Max(most, now);
        }

        return most;
    }

    private static long BestOffset(List<Item> placed, Item item)
    {
        long end = 0, best = -1, least = long.MaxValue;
        foreach (Item other in placed)
        {
            if (other.Start > item.End || item.Start > other.End)
            {
                continue;
            }

            long gap = other.Offset - end;
            if (gap >= item.Size && gap < least)
            {
                (best, least) = (end, gap);
            }

            end = Math.Max(end, other.Offset + other.Size);
        }

        return best >= 0 ? best : end;
    }

    /// <summary>A block to be placed.</summary>
    /// <param name="size">Its size, in units.</param>
    /// <param name="requested">Bytes asked for.</param>
    /// <param name="start">When it is allocated.</param>
    /// <param name="end">When it is freed.</param>
    public sealed class Item(long size, long requested, int start, int end)
    {
        public long Size { get; } = size;

        public long Requested { get; } = requested;

        public int Start { get; } = start;

        public int End { get; } = end;

        /// <summary>Where it lies.</summary>
        public long Offset { get; set; }
    }
}

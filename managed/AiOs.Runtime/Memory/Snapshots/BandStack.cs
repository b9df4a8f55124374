namespace AiOs.Runtime;

/// <summary>
/// Stacks lifetimes on each other: each is a band of its height that lies on those that were there before it, and falls
/// when one below it ends.
/// </summary>
internal static class BandStack
{
    /// <summary>The lower edge of each lifetime, as the states at which it changes and what it is from there on.</summary>
    public static List<(int State, long Offset)>[] Edges(IReadOnlyList<Lifetime> lifetimes)
    {
        var edges = new List<(int, long)>[lifetimes.Count];
        int[] order = [.. Enumerable.Range(0, lifetimes.Count).OrderBy(i => lifetimes[i].From).ThenByDescending(i => lifetimes[i].To)];
        var ends = new PriorityQueue<int, int>();
        var stack = new List<int>();
        long height = 0;
        foreach (int next in order)
        {
            while (ends.TryPeek(out int gone, out int end) && end <= lifetimes[next].From)
            {
                ends.Dequeue();
                Remove(gone, end);
            }

            edges[next] = [(lifetimes[next].From, height)];
            height += lifetimes[next].Bytes;
            stack.Add(next);
            ends.Enqueue(next, lifetimes[next].To);
        }

        while (ends.TryDequeue(out int gone, out int end))
        {
            Remove(gone, end);
        }

        return edges;

        void Remove(int gone, int state)
        {
            int place = stack.IndexOf(gone);
            stack.RemoveAt(place);
            height -= lifetimes[gone].Bytes;
            foreach (int above in stack.Skip(place))
            {
                // A change at the end of the band itself would have no width.
                (int at, long offset) = edges[above][^1];
                if (at == state)
                {
                    edges[above][^1] = (state, offset - lifetimes[gone].Bytes);
                }
                else if (state < lifetimes[above].To)
                {
                    edges[above].Add((state, offset - lifetimes[gone].Bytes));
                }
            }
        }
    }
}

namespace AiOs.Bench.Memory;

/// <summary>
/// A made-up trace without any pattern: blocks of 4 bytes to 4 MiB, a third of them of powers of two and the logarithms of
/// the others evenly spread, on random streams, each freed at random while some 192 MiB are in use. The worst that a
/// program does to an allocator; what it leaves unused is fragmentation.
/// </summary>
internal static class RandomTrace
{
    private const long InUse = 192L << 20;
    private const int Events = 60_000;

    public static AllocationTrace Create(int streams, int seed = 1)
    {
        var trace = new AllocationTrace($"random-{streams}");
        var random = new Random(seed);
        var live = new List<int>();
        long bytes = 0;
        while (trace.Events.Count < Events)
        {
            if (bytes > InUse || (live.Count > 0 && random.Next(100) < 42))
            {
                int place = random.Next(live.Count), id = live[place];
                live[place] = live[^1];
                live.RemoveAt(live.Count - 1);
                bytes -= trace.Sizes[id];
                trace.Free(id, trace.StreamOf(id));
            }
            else
            {
                int id = trace.Allocate(Size(random), random.Next(streams));
                bytes += trace.Sizes[id];
                live.Add(id);
            }
        }

        return trace;
    }

    private static long Size(Random random) =>
        4 * (random.Next(3) == 0 ? 1L << random.Next(21) : (long)Math.Pow(1 << 20, random.NextDouble()));
}

namespace AiOs.Runtime.Tests;

public sealed class UseMapTests
{
    private const int Bytes = 64, Streams = 4;

    /// <summary>Random accesses against the uses of every byte, kept one by one.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Agrees_with_the_uses_of_every_byte(int seed)
    {
        var random = new Random(seed);
        var map = new UseMap();
        var clocks = new ClockTable();
        int[] clockOf = [.. Enumerable.Range(0, Streams).Select(_ => clocks.AddStream())];
        var writer = new (int Stream, long Stamp)[Bytes];
        long[,] reads = new long[Bytes, Streams];
        for (long step = 1; step <= 20_000; step++)
        {
            int start = random.Next(Bytes), end = random.Next(start, Bytes + 1), stream = random.Next(Streams);
            bool isWrite = random.Next(3) == 0;
            long[] want = new long[Streams], got = new long[Streams];
            for (int at = start; at < end; at++)
            {
                want[writer[at].Stream] = Math.Max(want[writer[at].Stream], writer[at].Stamp);
                for (int s = 0; isWrite && s < Streams; s++)
                {
                    want[s] = Math.Max(want[s], reads[at, s]);
                }
            }

            map.Require(start, end, isWrite, got);
            Assert.Equal(want, got);
            map.Note(start, end, isWrite, stream, step);
            for (int at = start; at < end; at++)
            {
                if (isWrite)
                {
                    writer[at] = (stream, step);
                }

                for (int s = 0; s < Streams; s++)
                {
                    reads[at, s] = isWrite ? 0 : s == stream ? step : reads[at, s];
                }
            }

            Assert.InRange(map.Count, 0, Bytes);
        }

        // Nothing is done yet; then everything is.
        int count = map.Count;
        map.Prune(clocks, clockOf);
        Assert.Equal(count, map.Count);
        var done = new VectorClock();
        foreach (int clock in clockOf)
        {
            done.Raise(clock, long.MaxValue);
        }

        clocks.Observe(done);
        map.Prune(clocks, clockOf);
        Assert.Equal(0, map.Count);
    }

    [Fact]
    public void Reads_of_parts_do_not_cut_memory_up_for_good()
    {
        var map = new UseMap();
        map.Note(0, 1000, true, 0, 1);
        for (int i = 0; i < 100; i++)
        {
            map.Note(10 * i, 10 * (i + 1), false, 1, 2);
        }

        Assert.Equal(1, map.Count);
    }
}

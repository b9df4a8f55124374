using AiOs.Bench.Memory;

namespace AiOs.Bench.Tests;

public class PlacementTests
{
    private const long MiB = 1 << 20;

    private static IPlacement Make(string policy, AllocationTrace trace) => policy switch
    {
        "aios" => new PoolPlacement(trace),
        "first_fit" => new FirstFit(),
        _ => new PyTorchPolicy(),
    };

    [Theory]
    [InlineData("aios")]
    [InlineData("first_fit")]
    [InlineData("pytorch")]
    public void No_two_blocks_of_a_random_trace_share_bytes(string policy)
    {
        var random = new Random(5);
        var trace = new AllocationTrace("random");
        var live = new List<int>();
        for (int i = 0; i < 4000; i++)
        {
            if (live.Count > 0 && random.Next(5) < 2)
            {
                int at = random.Next(live.Count);
                trace.Free(live[at], random.Next(2));
                live.RemoveAt(at);
            }
            else
            {
                live.Add(trace.Allocate((long)Math.Pow(2, random.NextDouble() * 24), random.Next(2)));
            }
        }

        TraceOutcome outcome = TraceReplay.Check(trace, Make(policy, trace));
        Assert.Null(outcome.Problem);
        Assert.True(outcome.PeakReservedBytes >= trace.PeakBytes);
    }

    /// <summary>What the made-up server needs no more than: the pool's holes give their pages up.</summary>
    [Fact]
    public void The_pool_leaves_little_unused_in_the_inference_trace()
    {
        AllocationTrace trace = InferenceTrace.Create();
        var pool = new PoolPlacement(trace);
        TraceOutcome outcome = TraceReplay.Check(trace, pool);
        Assert.Null(outcome.Problem);
        Assert.InRange(outcome.PeakReservedBytes, trace.PeakBytes, (long)(trace.PeakBytes / 0.97));
    }

    /// <summary>Memory that one stream freed is not lost to the others: eight streams need hardly more than one.</summary>
    [Fact]
    public void Streams_share_what_they_free()
    {
        long one = TraceReplay.Check(RandomTrace.Create(1), new PoolPlacement(RandomTrace.Create(1))).PeakReservedBytes;
        AllocationTrace trace = RandomTrace.Create(8);
        TraceOutcome outcome = TraceReplay.Check(trace, new PoolPlacement(trace));
        Assert.Null(outcome.Problem);
        Assert.InRange(outcome.PeakReservedBytes, trace.PeakBytes, (long)(1.1 * one));
    }

    [Fact]
    public void A_placement_that_gives_bytes_out_twice_is_found()
    {
        var trace = new AllocationTrace("two");
        trace.Allocate(100);
        trace.Allocate(100);
        Assert.Contains("block 1", TraceReplay.Check(trace, new Everything()).Problem, StringComparison.Ordinal);
    }

    /// <summary>By hand, from the rules in the class's comment.</summary>
    [Fact]
    public void Segments_are_those_of_the_policy()
    {
        var policy = new PyTorchPolicy();
        policy.Allocate(0, 100, 0);
        Assert.Equal(2 * MiB, policy.ReservedBytes); // a small segment
        policy.Allocate(1, MiB, 0);
        Assert.Equal(2 * MiB, policy.ReservedBytes); // the rest of it is 2 MiB - 512 bytes
        policy.Allocate(2, MiB, 0);
        Assert.Equal(4 * MiB, policy.ReservedBytes);
        policy.Allocate(3, 3 * MiB, 0);
        Assert.Equal(24 * MiB, policy.ReservedBytes); // a medium segment of 20 MiB
        policy.Allocate(4, 16 * MiB, 0);
        Assert.Equal(24 * MiB, policy.ReservedBytes); // 17 MiB were left; the last one is not split off
        policy.Allocate(5, 11 * MiB, 0);
        Assert.Equal(36 * MiB, policy.ReservedBytes); // of its own size, in steps of 2 MiB
        policy.Allocate(6, 512, 1);
        Assert.Equal(38 * MiB, policy.ReservedBytes); // another stream has pools of its own
        policy.Free(3, 0);
        policy.Free(4, 0);
        policy.Allocate(7, 20 * MiB, 0);
        Assert.Equal(38 * MiB, policy.ReservedBytes); // neighbours were merged
    }

    [Fact]
    public void The_first_hole_that_fits_is_taken()
    {
        var policy = new FirstFit();
        long[] starts = [policy.Allocate(0, 2 * MiB, 0), policy.Allocate(1, MiB, 0), policy.Allocate(2, MiB, 0), policy.Allocate(3, MiB, 0)];
        Assert.Equal([0, 2 * MiB, 3 * MiB, 4 * MiB], starts);
        policy.Free(0, 0);
        policy.Free(2, 0);
        Assert.Equal(0, policy.Allocate(4, MiB, 0));
        Assert.Equal(MiB, policy.Allocate(5, MiB, 0));
        Assert.Equal(3 * MiB, policy.Allocate(6, 512, 0));
        Assert.Equal(6 * MiB, policy.ReservedBytes);
    }

    [Fact]
    public void A_trace_is_read_as_it_was_written()
    {
        AllocationTrace trace = InferenceTrace.Create();
        string path = Path.Combine(Path.GetTempPath(), $"aios-trace-{Guid.NewGuid():N}.txt");
        try
        {
            using (StreamWriter writer = File.CreateText(path))
            {
                trace.Write(writer);
            }

            AllocationTrace read = AllocationTrace.Read(path);
            Assert.Equal(trace.Events, read.Events);
            Assert.Equal(trace.PeakBytes, read.PeakBytes);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData("alloc 1 4096", ":1: 'alloc 1 4096' is no event")]
    [InlineData("grow 1 4096 0", "is no event")]
    [InlineData("alloc 1 -5 0", "'-5' is no size")]
    [InlineData("alloc 1 9223372036854775807 0", ":1: with 9223372036854775807 bytes more than 4 TiB are in use")]
    [InlineData("alloc 1 4000000000000 0\nalloc 2 400000000000 0", ":2: with 400000000000 bytes more than 4 TiB are in use")]
    [InlineData("alloc 1 5 x", "'x' is no stream")]
    [InlineData("# nothing\n\nfree 7 0", ":3: id 7 is freed but not in use")]
    [InlineData("alloc 1 5 0\nalloc 1 6 0", ":2: id 1 is allocated but still in use")]
    [InlineData("# nothing", "there is no event in it")]
    public void A_line_that_makes_no_sense_is_named(string text, string expected)
    {
        string path = Path.Combine(Path.GetTempPath(), $"aios-trace-{Guid.NewGuid():N}.txt");
        try
        {
            File.WriteAllText(path, text);
            var error = Assert.Throws<BenchInputException>(() => AllocationTrace.Read(path));
            Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_trace_may_use_more_memory_than_any_machine_has()
    {
        var trace = new AllocationTrace("large");
        int first = trace.Allocate(2L << 40), second = trace.Allocate(1L << 40, 1);
        trace.Free(first, 1);
        trace.Free(second, 1);
        trace.Allocate(3L << 40);
        Assert.Null(TraceReplay.Check(trace, new PoolPlacement(trace)).Problem);
    }

    [Fact]
    public void A_trace_that_is_not_there_is_named() =>
        Assert.Contains("nowhere.txt", Assert.Throws<BenchInputException>(() => AllocationTrace.Read("nowhere.txt")).Message, StringComparison.Ordinal);

    private sealed class Everything : IPlacement
    {
        public string Name => "everything";

        public long ReservedBytes => 0;

        public long Allocate(int id, long bytes, int stream) => 0;

        public void Free(int id, int stream)
        {
        }
    }
}

namespace AiOs.Runtime.Tests;

public class StepPlanTests
{
    private const int Kibi = 1 << 10;

    private readonly SimulatedStreams _streams = new();
    private readonly SimulatedMemory _memory = new();
    private readonly PoolAllocator _pool;
    private readonly StepLayer _layer;
    private readonly int _stream;

    public StepPlanTests()
    {
        _pool = new PoolAllocator(_memory, _streams.Clocks);
        _layer = new StepLayer(_pool);
        _stream = _streams.Add(_pool);
    }

    [Fact]
    public void A_repeated_step_gets_the_same_places_without_the_pool()
    {
        using var plan = new StepPlan(_layer, _pool, _stream);
        Record(plan);
        long allocations = _pool.Statistics.Allocations, reserved = _pool.Statistics.PeakReservedBytes;
        nint[] first = Step(plan), second = Step(plan);
        Assert.Equal(first, second);
        Assert.Equal(allocations + 2, _pool.Statistics.Allocations); // The arena, once per step.
        long inUse = (3 * 1000 * Kibi) + (200 * Kibi);
        Assert.Equal(new StepPlanReport(inUse, inUse, Steps: 4, ReplayedSteps: 2, Mismatches: 0), plan.Report);
        Assert.Equal((0, reserved), (_pool.Statistics.AllocatedBytes, _pool.Statistics.PeakReservedBytes));
    }

    [Fact]
    public void Blocks_that_outlive_the_step_or_that_others_use_are_left_to_the_pool()
    {
        int other = _streams.Add(_pool);
        using var plan = new StepPlan(_layer, _pool, _stream);
        var kept = new List<Allocation>();
        for (int step = 0; step < 4; step++)
        {
            using (plan.Begin())
            {
                Allocation temporary = _layer.Allocate(100 * Kibi, _stream);
                kept.Add(_layer.Allocate(50 * Kibi, _stream));
                Allocation shared = _layer.Allocate(70 * Kibi, _stream);
                _layer.NoteUse(shared, other);
                _layer.Free(shared);
                _layer.Free(temporary);
            }
        }

        Assert.Equal((100 * Kibi, 2), (plan.Report.Bytes, plan.Report.ReplayedSteps));
        Assert.Equal(4, kept.Select(block => block.Address).Distinct().Count());
        kept.ForEach(_layer.Free);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_step_that_differs_goes_on_with_the_pool_and_the_next_is_recorded(int difference)
    {
        using var plan = new StepPlan(_layer, _pool, _stream);
        Record(plan);
        Step(plan);
        using (plan.Begin())
        {
            var live = new List<Allocation> { _layer.Allocate((difference == 0 ? 999 : 1000) * Kibi, _stream) };
            if (difference == 1)
            {
                _layer.Free(live[0]);
                live.Clear();
            }

            for (int i = 0; i < (difference == 2 ? 0 : 10); i++)
            {
                live.Add(_layer.Allocate(1000 * Kibi, _stream));
            }

            AssertApart(live);
            live.ForEach(_layer.Free);
        }

        Assert.Equal((1, 1), (plan.Report.ReplayedSteps, plan.Report.Mismatches));
        Step(plan); // Is like the last one recorded, so it is enough.
        Step(plan);
        Assert.Equal((2, 1), (plan.Report.ReplayedSteps, plan.Report.Mismatches));
        _pool.Validate();
    }

    [Fact]
    public void A_planned_block_that_is_kept_stays_apart_from_later_steps()
    {
        var plan = new StepPlan(_layer, _pool, _stream);
        Record(plan);
        Allocation kept;
        using (plan.Begin())
        {
            kept = _layer.Allocate(1000 * Kibi, _stream);
        }

        for (int step = 0; step < 2; step++)
        {
            using (plan.Begin())
            {
                List<Allocation> live = [kept, .. Enumerable.Range(0, 4).Select(_ => _layer.Allocate(1000 * Kibi, _stream))];
                AssertApart(live);
                live.Skip(1).ToList().ForEach(_layer.Free);
            }
        }

        plan.Dispose();
        Assert.Equal(_layer.Find(kept).Address, kept.Address);
        Assert.True(_pool.Statistics.AllocatedBytes > 0);
        _layer.Free(kept);
        Assert.Equal(0, _pool.Statistics.AllocatedBytes);
        Assert.Throws<ArgumentException>(() => _layer.Free(kept));
        Assert.Throws<ObjectDisposedException>(() => plan.Begin());
    }

    [Fact]
    public void A_planned_block_that_another_stream_uses_is_not_placed_again()
    {
        int other = _streams.Add(_pool);
        using var plan = new StepPlan(_layer, _pool, _stream);
        Record(plan);
        using (plan.Begin())
        {
            Allocation first = _layer.Allocate(1000 * Kibi, _stream);
            _layer.NoteUse(first, other);
            _layer.Free(first);
        }

        Assert.True(_pool.Statistics.ParkedBytes > 0);
        _streams.Wait(_stream, other);
        Step(plan);
        Assert.Equal(0, _pool.Statistics.ParkedBytes);
    }

    [Fact]
    public void Regions_show_planned_blocks_and_no_arena()
    {
        using var plan = new StepPlan(_layer, _pool, _stream);
        Record(plan);
        Assert.DoesNotContain(_layer.Regions(), region => region.State == RegionState.Live);
        using (plan.Begin())
        {
            Allocation block = _layer.Allocate(1000 * Kibi, _stream);
            RegionInfo live = Assert.Single(_layer.Regions(), region => region.State == RegionState.Live);
            Assert.Equal((block.Address, 1000L * Kibi), (live.Address, live.Requested));
            Assert.Equal(live, _layer.Find(block));
            Assert.Equal(_memory.MappedBytes, _layer.Regions().Sum(region => region.Size));
            _layer.Free(block);
        }
    }

    [Fact]
    public void A_first_step_that_is_like_no_other_is_not_planned()
    {
        using var plan = new StepPlan(_layer, _pool, _stream);
        using (plan.Begin())
        {
            _layer.Free(_layer.Allocate(5000 * Kibi, _stream));
        }

        Record(plan);
        Step(plan);
        Assert.Equal((1, 0), (plan.Report.ReplayedSteps, plan.Report.Mismatches));
    }

    [Fact]
    public void What_runs_between_steps_has_their_memory()
    {
        using var plan = new StepPlan(_layer, _pool, _stream);
        Record(plan);
        for (int step = 0; step < 3; step++)
        {
            Step(plan);
            long reserved = _pool.Statistics.ReservedBytes;
            _layer.Free(_layer.Allocate(plan.Report.Bytes, _stream));
            Assert.Equal(reserved, _pool.Statistics.PeakReservedBytes);
        }

        Assert.Equal(3, plan.Report.ReplayedSteps);
    }

    [Fact]
    public void Without_room_for_a_plan_steps_go_on_without()
    {
        var streams = new SimulatedStreams();
        var pool = new PoolAllocator(new SimulatedMemory(limit: 8 << 20), streams.Clocks);
        var retry = new RetryLayer(pool, () => { }, (bytes, _) => new DeviceOutOfMemoryException(bytes, "full"));
        var layer = new StepLayer(retry);
        int stream = streams.Add(pool);
        using var plan = new StepPlan(layer, retry, stream);
        for (int step = 0; step < 4; step++)
        {
            Allocation taken = step < 2 ? default : pool.Allocate(5 << 20, stream);
            using (plan.Begin())
            {
                // Apart there is room for both beside what is taken, together there is not.
                Allocation first = layer.Allocate(3 << 19, stream), second = step < 2 ? layer.Allocate(3 << 20, stream) : default;
                Array.ForEach(step < 2 ? [first, second] : new[] { first }, layer.Free);
            }

            Array.ForEach(step < 2 ? [] : new[] { taken }, pool.Free);
        }

        Assert.Equal((4, 0, 0), (plan.Report.Steps, plan.Report.ReplayedSteps, plan.Report.Mismatches));
        Assert.Equal(0, pool.Statistics.AllocatedBytes);
    }

    [Fact]
    public void Steps_of_one_stream_do_not_nest()
    {
        using var plan = new StepPlan(_layer, _pool, _stream);
        using var other = new StepPlan(_layer, _pool, _stream);
        using (plan.Begin())
        {
            Assert.Throws<InvalidOperationException>(() => other.Begin());
        }
    }

    [Fact]
    public void Packing_keeps_what_lives_together_apart_and_wastes_little()
    {
        var random = new Random(3);
        for (int round = 0; round < 200; round++)
        {
            StepPacking.Item[] items = [.. Enumerable.Range(0, 60).Select(_ =>
            {
                int start = random.Next(100);
                return new StepPacking.Item(512 * random.Next(1, 100), 1, start, start + random.Next(1, 40));
            })];
            long bytes = StepPacking.Place(items);
            long inUse = Enumerable.Range(0, 140).Max(time => items.Where(item => item.Start <= time && time <= item.End).Sum(item => item.Size));
            Assert.Equal(inUse, StepPacking.MostInUse(items));
            Assert.InRange(bytes, inUse, inUse * 1.35);
            foreach (StepPacking.Item item in items)
            {
                Assert.True(item.Offset >= 0 && item.Offset + item.Size <= bytes);
                Assert.DoesNotContain(items, other => other != item && other.Start <= item.End && item.Start <= other.End
                    && other.Offset < item.Offset + item.Size && item.Offset < other.Offset + other.Size);
            }
        }
    }

    private static void AssertApart(List<Allocation> blocks)
    {
        nint[] places = [.. blocks.Select(block => block.Address).Order()];
        Assert.All(places.Zip(places.Skip(1)), pair => Assert.True(pair.Second - pair.First >= 999 * Kibi));
    }

    /// <summary>The two equal steps that make a plan.</summary>
    private void Record(StepPlan plan)
    {
        Step(plan);
        Step(plan);
    }

    /// <summary>Three of 1000 KiB and one of 200 at once, then others in their places.</summary>
    private nint[] Step(StepPlan plan)
    {
        var places = new List<nint>();
        using (plan.Begin())
        {
            Allocation Next(int size)
            {
                Allocation block = _layer.Allocate(size * Kibi, _stream);
                places.Add(block.Address);
                return block;
            }

            Allocation[] blocks = [Next(1000), Next(1000), Next(1000), Next(200)];
            _layer.Free(blocks[1]);
            Allocation[] halves = [Next(500), Next(400)];
            Array.ForEach([blocks[0], blocks[2], blocks[3], .. halves], _layer.Free);
        }

        return [.. places];
    }
}

namespace AiOs.Runtime.Tests;

public class PoolAllocatorTests
{
    private const long Mebi = 1 << 20;

    private readonly SimulatedStreams _streams = new();
    private readonly SimulatedMemory _memory = new(limit: 256 * Mebi);
    private readonly PoolAllocator _pool;
    private readonly int _stream;
    private readonly int _other;

    public PoolAllocatorTests()
    {
        _pool = new PoolAllocator(_memory, _streams.Clocks);
        (_stream, _other) = (_streams.Add(_pool), _streams.Add(_pool));
    }

    public static TheoryData<long> Sizes => [0, 1, 511, 512, 513, 100_000, Mebi, Mebi + 1, 40 * Mebi];

    [Theory]
    [MemberData(nameof(Sizes))]
    public void A_freed_block_is_given_to_its_own_stream_again_at_once(long bytes)
    {
        Allocation first = _pool.Allocate(bytes, _stream);
        Allocation neighbour = _pool.Allocate(bytes, _stream);
        Assert.True(_memory.IsMapped(first.Address, Math.Max(1, bytes)));
        _pool.Free(first);
        Assert.Equal(first.Address, _pool.Allocate(bytes, _stream).Address);
        Assert.NotEqual(first.Address, neighbour.Address);
        _pool.Validate();
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void A_handle_is_good_for_one_free(long bytes)
    {
        Allocation block = _pool.Allocate(bytes, _stream);
        _pool.Free(block);
        Assert.Throws<ArgumentException>(() => _pool.Free(block));
        Allocation again = _pool.Allocate(bytes, _stream);
        Assert.Equal(block.Address, again.Address);
        Assert.Throws<ArgumentException>(() => _pool.Free(block));
        Assert.Throws<ArgumentException>(() => _pool.NoteUse(block, _other));
        Assert.Throws<ArgumentException>(() => _pool.Free(default));
        _pool.Free(again);
        _pool.Validate();
    }

    [Fact]
    public void Another_stream_gets_a_freed_block_only_after_an_event_or_the_host_has_ordered_them()
    {
        Allocation first = Freed(40 * Mebi);
        Assert.NotEqual(first.Address, _pool.Allocate(40 * Mebi, _other).Address);
        _streams.Wait(_other, _stream);
        Assert.Equal(first.Address, _pool.Allocate(40 * Mebi, _other).Address);

        Allocation second = Freed(50 * Mebi);
        _streams.Finish(_stream);
        Assert.Equal(second.Address, _pool.Allocate(50 * Mebi, _other).Address);
        _pool.Validate();
    }

    /// <summary>A use is noted before the work is enqueued; somebody who waits for the stream in between has not seen it.</summary>
    [Theory]
    [InlineData(1000)]
    [InlineData(3 << 20)]
    public void A_wait_between_the_note_and_the_enqueuing_of_a_use_does_not_end_it(long bytes)
    {
        Allocation block = _pool.Allocate(bytes, _stream);
        _pool.NoteUse(block, _other);
        WaitAside(_other);
        _pool.Free(block);
        Assert.NotEqual(block.Address, _pool.Allocate(bytes, _stream).Address);
        WaitAside(_other);
        Assert.Equal(block.Address, _pool.Allocate(bytes, _stream).Address);

        void WaitAside(int stream)
        {
            var recorded = new VectorClock();
            _streams.Clocks.RecordAside(stream, recorded);
            _streams.Clocks.Observe(recorded);
        }
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(3 << 20)]
    public void A_block_that_another_stream_still_uses_is_parked(long bytes)
    {
        Allocation block = _pool.Allocate(bytes, _stream);
        _pool.NoteUse(block, _other);
        _pool.Free(block);
        Assert.Equal(SizeClasses.RoundUp(bytes), _pool.Statistics.ParkedBytes);
        Allocation meanwhile = _pool.Allocate(bytes, _stream);
        Assert.NotEqual(block.Address, meanwhile.Address);
        Assert.NotEqual(block.Address, _pool.Allocate(bytes, _other).Address);
        _streams.Wait(_stream, _other);
        Assert.Equal(block.Address, _pool.Allocate(bytes, _stream).Address);
        Assert.Equal(0, _pool.Statistics.ParkedBytes);
        _pool.Validate();
    }

    [Fact]
    public void Any_slack_may_be_asked_for()
    {
        foreach (double slack in (double[])[double.PositiveInfinity, double.MaxValue])
        {
            var memory = new SimulatedMemory();
            var pool = new PoolAllocator(memory, _streams.Clocks, new PoolOptions { Slack = slack });
            int stream = _streams.Add(pool);
            pool.Free(pool.Allocate(200 * Mebi, stream));
            _streams.Finish(stream);
            pool.Trim();
            long unmaps = pool.Statistics.Unmaps;
            Allocation hole = pool.Allocate(40 * Mebi, stream);
            pool.Allocate(2 * Mebi, stream);
            pool.Free(hole);
            _streams.Finish(stream);
            pool.Allocate(41 * Mebi, stream);
            Assert.Equal(unmaps, pool.Statistics.Unmaps);
        }
    }

    [Fact]
    public void A_parked_block_serves_a_third_stream_that_is_after_all_its_uses()
    {
        int third = _streams.Add(_pool);
        Allocation block = _pool.Allocate(40 * Mebi, _stream);
        _pool.NoteUse(block, _other);
        _pool.Free(block);
        _streams.Wait(third, _stream);
        Assert.NotEqual(block.Address, _pool.Allocate(40 * Mebi, third).Address);
        _streams.Wait(third, _other);
        Assert.Equal(block.Address, _pool.Allocate(40 * Mebi, third).Address);
        _pool.Validate();
    }

    [Fact]
    public void A_use_that_is_over_when_the_block_is_freed_costs_nothing()
    {
        Allocation block = _pool.Allocate(1000, _stream);
        _pool.NoteUse(block, _other);
        _streams.Wait(_stream, _other);
        _pool.Free(block);
        Assert.Equal(0, _pool.Statistics.ParkedBytes);
        Assert.Equal(block.Address, _pool.Allocate(1000, _stream).Address);
    }

    [Fact]
    public void What_a_stream_took_over_is_ordered_by_its_own_clock_from_then_on()
    {
        int third = _streams.Add(_pool);
        Allocation block = Freed(40 * Mebi);
        VectorClock before = _streams.Record(_stream);
        _streams.Clocks.Wait(_other, before);
        _pool.Free(_pool.Allocate(40 * Mebi, _other));
        _streams.Clocks.Wait(third, before); // After the first owner, but not after the second.
        Assert.NotEqual(block.Address, _pool.Allocate(40 * Mebi, third).Address);
    }

    [Fact]
    public void Memory_of_a_removed_stream_serves_others()
    {
        Allocation survivor = _pool.Allocate(5 * Mebi, _stream);
        Allocation freed = Freed(40 * Mebi);
        _pool.RetireStream(_stream);
        _streams.Clocks.RemoveStream(_stream);
        Assert.Equal(freed.Address, _pool.Allocate(40 * Mebi, _other).Address);
        _pool.Free(survivor);
        Assert.Equal(survivor.Address, _pool.Allocate(5 * Mebi, _other).Address);
        _pool.Validate();
    }

    [Fact]
    public void A_device_without_memory_gives_none_and_memory_again_after_a_trim()
    {
        Allocation half = _pool.Allocate(128 * Mebi, _stream);
        Assert.Equal(0, _pool.Allocate(192 * Mebi, _stream).Address);
        Assert.Equal(0, _pool.Allocate(long.MaxValue, _stream).Address);
        _pool.Free(half);
        Assert.Equal(0, _pool.Trim()); // The work that used it may still be to run.
        _streams.Finish(_stream);
        Assert.Equal(128 * Mebi, _pool.Trim());
        Assert.NotEqual(0, _pool.Allocate(192 * Mebi, _stream).Address);
        Assert.Equal(192 * Mebi, _memory.MappedBytes);
        _pool.Validate();
    }

    [Fact]
    public void A_repeated_step_maps_nothing_after_the_first()
    {
        long[] sizes = [51_463_168, 786_432, 3_145_728, 4, 1024, 786_432, 2_359_296, 100_000_000, 12];
        long maps = 0;
        for (int step = 0; step < 10; step++)
        {
            Allocation[] blocks = Array.ConvertAll(sizes, size => _pool.Allocate(size, _stream));
            Array.ForEach(blocks, _pool.Free);
            maps = step == 0 ? _pool.Statistics.Maps : maps;
        }

        Assert.Equal(maps, _pool.Statistics.Maps);
        Assert.Equal(0, _pool.Statistics.AllocatedBytes);
        _pool.Validate();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Holes_give_their_pages_up_when_too_much_would_lie_unused(bool mayWait)
    {
        var memory = new SimulatedMemory();
        var pool = new PoolAllocator(memory, _streams.Clocks, waits: mayWait ? _streams : null);
        pool.AddStream(_stream);
        Allocation[] blocks = [.. Enumerable.Range(0, 40).Select(_ => pool.Allocate(10 * Mebi, _stream))];
        for (int i = 0; i < blocks.Length; i += 2)
        {
            pool.Free(blocks[i]);
        }

        pool.Allocate(150 * Mebi, _stream); // Fits no hole of 10 MiB.
        Assert.Equal(mayWait ? 412 * Mebi : 550 * Mebi, memory.PeakMappedBytes); // 3 % more than was ever in use.
        Assert.Equal(mayWait ? 1 : 0, _streams.Synchronizations);
        pool.Validate();
    }

    [Fact]
    public void Small_blocks_that_are_cached_make_room_for_a_large_one()
    {
        Allocation[] small = [.. Enumerable.Range(0, 64).Select(_ => _pool.Allocate(Mebi, _stream))];
        Array.ForEach(small, _pool.Free);
        long maps = _pool.Statistics.Maps;
        Assert.NotEqual(0, _pool.Allocate(64 * Mebi, _stream).Address);
        Assert.Equal(maps, _pool.Statistics.Maps);
    }

    [Fact]
    public void Placement_by_seed_differs_from_the_best_and_repeats()
    {
        nint[] Places(int? seed)
        {
            var pool = new PoolAllocator(new SimulatedMemory(), _streams.Clocks, new PoolOptions { PlacementSeed = seed });
            pool.AddStream(_stream);
            pool.Free(pool.Allocate(64 * Mebi, _stream));
            return [.. Enumerable.Range(0, 8).Select(_ => pool.Allocate(2 * Mebi, _stream).Address)];
        }

        Assert.Equal(Places(1), Places(1));
        Assert.NotEqual(Places(1), Places(2));
        Assert.NotEqual(Places(1), Places(null));
    }

    [Fact]
    public void Regions_tile_what_is_mapped_and_say_what_they_are()
    {
        Allocation live = _pool.Allocate(700, _stream);
        Allocation parked = _pool.Allocate(3 * Mebi, _stream);
        _pool.NoteUse(parked, _other);
        _pool.Free(parked);
        List<RegionInfo> regions = _pool.Regions();
        Assert.Equal(_memory.MappedBytes, regions.Sum(region => region.Size));
        Assert.Contains(new RegionInfo(live.Index, live.Address, 1024, 700, _stream, RegionState.Live), regions);
        Assert.Contains(regions, region => region.State == RegionState.Parked && region.Address == parked.Address);
        Assert.Equal(regions.OrderBy(region => region.Address), regions);
    }

    private Allocation Freed(long bytes)
    {
        Allocation block = _pool.Allocate(bytes, _stream);
        _pool.Free(block);
        return block;
    }
}

using FsCheck;
using FsCheck.Fluent;

namespace AiOs.Runtime.Tests;

public class BlockAllocatorTests
{
    private const int Pools = 3;

    private enum Action
    {
        Allocate,
        Free,
        FreeElsewhere,
        ToggleBusy,
        Trim,
    }

    [Fact]
    public void A_random_trace_never_gives_out_a_byte_twice_and_counts_right()
    {
        Gen<(Action, int, long)> step =
            from action in Gen.Frequency(
                (10, Gen.Constant(Action.Allocate)), (8, Gen.Constant(Action.Free)), (3, Gen.Constant(Action.FreeElsewhere)),
                (2, Gen.Constant(Action.ToggleBusy)), (1, Gen.Constant(Action.Trim)))
            from pool in Gen.Choose(0, Pools - 1)
            from magnitude in Gen.Choose(0, 26)
            from fraction in Gen.Choose(0, 1000)
            select (action, pool, (1L << magnitude) * fraction / 500);
        Prop.ForAll(step.ArrayOf(300).ToArbitrary(), Run).Check(Config.QuickThrowOnFailure.WithMaxTest(60));
    }

    [Fact]
    public void A_freed_block_is_given_out_again_at_once_in_its_own_pool()
    {
        var allocator = new BlockAllocator(new FakeMemory());
        int pool = allocator.AddPool();
        nint first = allocator.Allocate(100_000, pool);
        nint neighbour = allocator.Allocate(100_000, pool);
        Assert.True(allocator.Free(first, pool));
        Assert.Equal(first, allocator.Allocate(100_000, pool));
        Assert.NotEqual(first, neighbour);
        Assert.Equal(1, allocator.Statistics.SegmentsReserved);
    }

    [Fact]
    public void A_block_freed_by_another_stream_waits_until_that_stream_has_drained()
    {
        var memory = new FakeMemory();
        var allocator = new BlockAllocator(memory);
        int owner = allocator.AddPool(), other = allocator.AddPool();
        nint block = allocator.Allocate(40 << 20, owner);
        memory.Busy.Add(other);
        Assert.True(allocator.Free(block, other));
        nint while_busy = allocator.Allocate(40 << 20, owner);
        Assert.NotEqual(block, while_busy);
        memory.Busy.Remove(other);
        Assert.Equal(block, allocator.Allocate(40 << 20, owner));
    }

    [Fact]
    public void An_empty_segment_moves_to_another_pool_only_when_its_stream_has_drained()
    {
        var memory = new FakeMemory();
        var allocator = new BlockAllocator(memory);
        int owner = allocator.AddPool(), other = allocator.AddPool();
        nint block = allocator.Allocate(40 << 20, owner);
        allocator.Free(block, owner);
        memory.Busy.Add(owner);
        nint fresh = allocator.Allocate(40 << 20, other);
        Assert.NotEqual(block, fresh);
        memory.Busy.Remove(owner);
        Assert.Equal(block, allocator.Allocate(40 << 20, other));
    }

    [Fact]
    public void Freeing_twice_is_refused()
    {
        var allocator = new BlockAllocator(new FakeMemory());
        int pool = allocator.AddPool();
        nint block = allocator.Allocate(10, pool);
        Assert.True(allocator.Free(block, pool));
        Assert.False(allocator.Free(block, pool));
        Assert.False(allocator.Free(12345, pool));
    }

    [Fact]
    public void A_device_without_memory_gives_zero_and_memory_again_after_a_trim()
    {
        var allocator = new BlockAllocator(new FakeMemory(limit: 64 << 20));
        int pool = allocator.AddPool();
        nint half = allocator.Allocate(32 << 20, pool);
        Assert.NotEqual(0, half);
        Assert.Equal(0, allocator.Allocate(48 << 20, pool));
        allocator.Free(half, pool);
        Assert.Equal(0, allocator.Allocate(48 << 20, pool));
        Assert.Equal(32 << 20, allocator.Trim());
        Assert.NotEqual(0, allocator.Allocate(48 << 20, pool));
        allocator.Validate();
    }

    [Fact]
    public void A_repeated_step_finds_all_its_blocks_in_the_cache()
    {
        var allocator = new BlockAllocator(new FakeMemory());
        int pool = allocator.AddPool();
        long[] sizes = [51_463_168, 786_432, 3_145_728, 4, 1024, 786_432, 2_359_296, 100_000_000, 12];
        long reserved = 0;
        for (int step = 0; step < 10; step++)
        {
            nint[] blocks = Array.ConvertAll(sizes, size => allocator.Allocate(size, pool));
            Array.ForEach(blocks, block => Assert.True(allocator.Free(block, pool)));
            if (step == 0)
            {
                reserved = allocator.Statistics.ReservedBytes;
            }
        }

        Assert.Equal(reserved, allocator.Statistics.ReservedBytes);
        Assert.Equal(0, allocator.Statistics.AllocatedBytes);
        allocator.Validate();
    }

    private static void Run((Action Action, int Pool, long Bytes)[] trace)
    {
        var memory = new FakeMemory();
        var allocator = new BlockAllocator(memory);
        for (int pool = 0; pool < Pools; pool++)
        {
            allocator.AddPool();
        }

        var live = new List<(nint Address, long Bytes, int Pool)>();
        foreach ((Action action, int pool, long bytes) in trace)
        {
            switch (action)
            {
                case Action.Allocate:
                    nint address = allocator.Allocate(bytes, pool);
                    Assert.Equal(0, address % 512);
                    Assert.True(memory.Contains(address, bytes), "blocks lie in reserved memory");
                    Assert.DoesNotContain(live, other => address < other.Address + (nint)Math.Max(1, other.Bytes) && other.Address < address + (nint)Math.Max(1, bytes));
                    live.Add((address, bytes, pool));
                    break;
                case Action.Free or Action.FreeElsewhere when live.Count > 0:
                    int index = (int)(bytes % live.Count);
                    Assert.True(allocator.Free(live[index].Address, action == Action.Free ? live[index].Pool : pool));
                    live.RemoveAt(index);
                    break;
                case Action.ToggleBusy:
                    if (!memory.Busy.Remove(pool))
                    {
                        memory.Busy.Add(pool);
                    }

                    break;
                case Action.Trim:
                    allocator.Trim();
                    break;
                default:
                    break;
            }

            allocator.Validate();
            Assert.Equal(memory.ReservedBytes, allocator.Statistics.ReservedBytes);
            Assert.Equal(live.Count, allocator.Statistics.LiveBlocks);
            Assert.Equal(live.Sum(block => block.Bytes), allocator.Statistics.RequestedBytes);
            Assert.InRange(allocator.Statistics.AllocatedBytes, allocator.Statistics.RequestedBytes, allocator.Statistics.PeakAllocatedBytes);
        }

        foreach ((nint address, _, int pool) in live)
        {
            Assert.True(allocator.Free(address, pool));
        }

        memory.Busy.Clear();
        allocator.Trim();
        Assert.Equal(0, allocator.Statistics.LiveBlocks);
        Assert.Equal(0, allocator.Statistics.AllocatedBytes);
        Assert.Equal(0, memory.ReservedBytes);
    }
}

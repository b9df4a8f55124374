namespace AiOs.Runtime.Tests;

/// <summary>Long random traces over small heaps, with the walk over all structures after every operation.</summary>
public class PoolPropertyTests
{
    private const int Streams = 4;
    private const int Operations = 170_000;
    private const long Limit = 12 << 20;

    [Theory]
    [InlineData(1, 0.03, null, false)]
    [InlineData(2, 0.03, null, true)]
    [InlineData(3, 0, null, true)]
    [InlineData(4, 1, null, false)]
    [InlineData(5, 0.03, 17, false)]
    [InlineData(6, 0, 18, true)]
    public void Every_trace_keeps_bytes_apart_and_work_in_order(int seed, double slack, int? placement, bool mayWait)
    {
        var random = new Random(seed);
        var streams = new SimulatedStreams();
        var memory = new SimulatedMemory(Limit, capacity: 48 << 20, granularity: 128 << 10);
        var model = new PoolModel(memory, Streams);
        var waits = new ModelledStreams(streams, model);
        var pool = new PoolAllocator(memory, streams.Clocks, new PoolOptions { Slack = slack, PlacementSeed = placement }, mayWait ? waits : null);
        for (int stream = 0; stream < Streams; stream++)
        {
            streams.Add(pool);
        }

        var live = new List<(Allocation Block, long Bytes)>();
        for (int operation = 0; operation < Operations; operation++)
        {
            int stream = random.Next(Streams), other = random.Next(Streams);
            switch (random.Next(100))
            {
                case < 45 when live.Count < 60:
                    long bytes = (long)Math.Pow(2, 21.5 * random.NextDouble());
                    Allocation block = pool.Allocate(bytes, stream);
                    if (block.Address != 0)
                    {
                        Assert.Equal(0, block.Address % 512);
                        Assert.True(memory.IsMapped(block.Address, bytes));
                        model.Take(block.Address, bytes, stream);
                        live.Add((block, bytes));
                    }
                    else
                    {
                        pool.WaitForOthers(stream);
                    }

                    break;
                case < 85 when live.Count > 0:
                    int index = random.Next(live.Count);
                    pool.Free(live[index].Block);
                    model.Release(live[index].Block.Address, live[index].Bytes);
                    live[index] = live[^1];
                    live.RemoveAt(live.Count - 1);
                    break;
                case < 93 when live.Count > 0:
                    (Allocation used, long size) = live[random.Next(live.Count)];
                    pool.NoteUse(used, stream);
                    model.Use(used.Address, size, stream);
                    break;
                case < 97 when stream != other:
                    waits.Wait(stream, other);
                    break;
                case < 99:
                    streams.Finish(stream);
                    model.Finish(stream);
                    break;
                default:
                    pool.Trim();
                    break;
            }

            pool.Validate();
        }

        AllocatorStatistics statistics = pool.Statistics;
        Assert.Equal(live.Count, statistics.LiveBlocks);
        Assert.Equal(live.Sum(block => block.Bytes), statistics.RequestedBytes);
        Assert.Equal(memory.MappedBytes, statistics.ReservedBytes);
        Assert.Equal(memory.PeakMappedBytes, statistics.PeakReservedBytes);
        live.ForEach(block => pool.Free(block.Block));
        pool.Trim();
        streams.Synchronize();
        pool.Trim();
        Assert.Equal(0, memory.MappedBytes);
        Assert.Equal(0, pool.Statistics.AllocatedBytes + pool.Statistics.ParkedBytes);
    }

    [Fact]
    public void Threads_on_their_own_streams_never_share_a_byte()
    {
        const int threads = 4, rounds = 60_000;
        var streams = new SimulatedStreams();
        var memory = new SimulatedMemory(capacity: 256 << 20);
        var pool = new PoolAllocator(memory, streams.Clocks);
        int[] owners = new int[memory.Capacity / SizeClasses.Unit];
        int[] numbers = [.. Enumerable.Range(0, threads).Select(_ => streams.Add(pool))];
        var handedOver = new System.Collections.Concurrent.ConcurrentQueue<(Allocation Block, long Bytes)>();
        Exception?[] failures = new Exception?[threads];

        void Mark(Allocation block, long bytes, int from, int to)
        {
            long first = (block.Address - memory.Base) / SizeClasses.Unit;
            for (long unit = first; unit <= first + ((bytes - 1) / SizeClasses.Unit); unit++)
            {
                Assert.Equal(from, Interlocked.CompareExchange(ref owners[unit], to, from));
            }
        }

        void Run(int thread)
        {
            var random = new Random(thread);
            var live = new Queue<(Allocation Block, long Bytes)>();
            for (int round = 0; round < rounds; round++)
            {
                long bytes = 1 + (long)Math.Pow(2, (round % 50 == 0 ? 22 : 16) * random.NextDouble());
                Allocation block = pool.Allocate(bytes, numbers[thread]);
                Mark(block, bytes, 0, 1);
                live.Enqueue((block, bytes));
                if (live.Count > 20)
                {
                    (Allocation freed, long size) = live.Dequeue();
                    if (round % 8 == 0)
                    {
                        handedOver.Enqueue((freed, size)); // Freed by whichever thread comes by.
                    }
                    else
                    {
                        Mark(freed, size, 1, 0);
                        pool.Free(freed);
                    }
                }

                if (round % 8 == 4 && handedOver.TryDequeue(out var taken))
                {
                    Mark(taken.Block, taken.Bytes, 1, 0);
                    pool.Free(taken.Block);
                }

                if (round % 1000 == 0)
                {
                    streams.Finish(numbers[thread]);
                    pool.Trim();
                    pool.Validate();
                }
            }

            foreach ((Allocation block, long bytes) in live)
            {
                Mark(block, bytes, 1, 0);
                pool.Free(block);
            }
        }

        Thread[] running = [.. Enumerable.Range(0, threads).Select(thread => new Thread(() => failures[thread] = Record.Exception(() => Run(thread))))];
        Array.ForEach(running, thread => thread.Start());
        Array.ForEach(running, thread => thread.Join());
        Assert.All(failures, Assert.Null);
        pool.Validate();
        Assert.Equal(handedOver.Count, pool.Statistics.LiveBlocks);
    }

    private sealed class ModelledStreams(SimulatedStreams streams, PoolModel model) : IStreamWaits
    {
        public void Wait(int stream, int other)
        {
            streams.Wait(stream, other);
            model.Wait(stream, other);
        }

        public void Synchronize()
        {
            streams.Synchronize();
            for (int stream = 0; stream < Streams; stream++)
            {
                model.Finish(stream);
            }
        }
    }
}

namespace AiOs.Runtime.Tests;

public class CachingAllocatorTests
{
    [Fact]
    public void Running_out_names_the_holders_and_what_to_do()
    {
        using Device device = Device.Open(options: new DeviceOptions { MemoryLimitBytes = 64 << 20, CaptureCallSites = true, OnLeak = _ => { } });
        using Stream stream = device.CreateStream();
        using DeviceMemory<float> held = device.Allocate<float>(10 << 20, stream);
        var error = Assert.Throws<DeviceOutOfMemoryException>(() => device.Allocate<byte>(50 << 20, stream));
        Assert.Equal(50 << 20, error.RequestedBytes);
        Assert.DoesNotContain('\n', error.Message);
        string site = $"({nameof(CachingAllocatorTests)}.{nameof(Running_out_names_the_holders_and_what_to_do)} ({nameof(CachingAllocatorTests)}.cs:";
        Assert.Contains(site, error.Message, StringComparison.Ordinal);
        Assert.Contains("40.0 MiB", error.Message, StringComparison.Ordinal);
        Assert.Equal(1, device.Memory.Statistics.Retries);
    }

    [Fact]
    public void Cached_memory_makes_room_before_running_out()
    {
        using Device device = Device.Open(options: new DeviceOptions { MemoryLimitBytes = 64 << 20 });
        using Stream stream = device.CreateStream();
        device.Allocate<byte>(40 << 20, stream).Dispose();
        using DeviceMemory<byte> other = device.Allocate<byte>(60 << 20, stream);
        Assert.Equal(60 << 20, device.Memory.Statistics.ReservedBytes);
    }

    [Fact]
    public void Freeing_twice_throws()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        Allocation block = device.Memory.Allocate(1, stream);
        device.Memory.Free(block);
        Assert.Throws<ArgumentException>(() => device.Memory.Free(block));
    }

    [Fact]
    public void A_stream_of_another_device_is_refused()
    {
        using Device one = Device.Open(), other = Device.Open();
        using Stream stream = other.CreateStream();
        Assert.Throws<ArgumentException>(() => one.Allocate<float>(1, stream));
    }

    /// <summary>The addresses may be somebody else's by then.</summary>
    [Fact]
    public void A_disposed_device_has_no_pages_to_give_back()
    {
        Device device = Device.Open();
        using (Stream stream = device.CreateStream())
        {
            device.Allocate<byte>(10 << 20, stream).Dispose();
        }

        device.Dispose();
        Assert.Throws<ObjectDisposedException>(() => device.Memory.Trim());
    }

    [Fact]
    public void Streams_are_made_while_memory_runs_out()
    {
        using Device device = Device.Open(options: new DeviceOptions { MemoryLimitBytes = 4 << 20 });
        using Stream stream = device.CreateStream();
        bool done = false;
        var making = new Thread(() =>
        {
            for (int i = 0; i < 500; i++)
            {
                _ = device.CreateStream();
            }

            Volatile.Write(ref done, true);
        });
        making.Start();
        while (!Volatile.Read(ref done))
        {
            Assert.Throws<DeviceOutOfMemoryException>(() => device.Memory.Allocate(8 << 20, stream));
        }

        making.Join();
    }

    [Fact]
    public void A_stream_that_runs_out_of_memory_is_not_drawn_into_the_graph_of_another()
    {
        using Device device = Device.Open(options: new DeviceOptions { MemoryLimitBytes = 16 << 20 });
        using Stream stream = device.CreateStream(), captured = device.CreateStream();
        using DeviceMemory<byte> memory = device.Allocate<byte>(1000, captured);
        using Graph graph = Graph.Capture(captured, recording =>
        {
            recording.Fill(memory.Pointer, 1, 1000);
            Assert.Throws<DeviceOutOfMemoryException>(() => device.Memory.Allocate(32 << 20, stream));
            Assert.False(stream.IsCapturing);
        });
        Assert.Equal(1, graph.Count);
    }

    [Fact]
    public void Threads_that_run_out_at_once_lose_no_memory()
    {
        const int threads = 4, rounds = 200;
        using Device device = Device.Open(options: new DeviceOptions { MemoryLimitBytes = 32 << 20, DetectRaces = false });
        var failures = new System.Collections.Concurrent.ConcurrentQueue<Exception>();
        long served = 0, refused = 0;
        Thread[] all = [.. Enumerable.Range(0, threads).Select(thread => new Thread(() => Run(thread)))];
        Array.ForEach(all, thread => thread.Start());
        Array.ForEach(all, thread => thread.Join());
        Assert.Empty(failures);
        Assert.True(served > 0 && refused > 0, $"{served} served, {refused} refused");
        device.Memory.Trim();
        AllocatorStatistics statistics = device.Memory.Statistics;
        Assert.Equal((0, 0, 0), (statistics.LiveBlocks, statistics.ParkedBytes, statistics.ReservedBytes));

        void Run(int thread)
        {
            try
            {
                var random = new Random(thread);
                var live = new Queue<(DeviceMemory<byte> Memory, byte Value)>();
                using Stream own = device.CreateStream(), other = device.CreateStream();
                for (int round = 0; round < rounds; round++)
                {
                    try
                    {
                        DeviceMemory<byte> memory = device.Allocate<byte>(1 + (long)Math.Pow(2, 24 * random.NextDouble()), own);
                        byte value = (byte)random.Next(256);
                        own.Fill(memory.Pointer, value, memory.Bytes);
                        live.Enqueue((memory, value));
                        Interlocked.Increment(ref served);
                    }
                    catch (DeviceOutOfMemoryException)
                    {
                        Interlocked.Increment(ref refused);
                    }

                    while (live.Count > (round == rounds - 1 ? 0 : 6))
                    {
                        (DeviceMemory<byte> memory, byte value) = live.Dequeue();
                        byte[] read = new byte[memory.Length];
                        memory.CopyTo(read, own);
                        Assert.Equal(-1, read.AsSpan().IndexOfAnyExcept(value));
                        if (random.Next(2) == 0)
                        {
                            other.Fill(memory.On(other), 1, memory.Bytes); // Still to run when the block is freed.
                        }

                        memory.Dispose();
                    }
                }
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                failures.Enqueue(e);
            }
        }
    }

    [Fact]
    public void Memory_of_a_disposed_stream_serves_others()
    {
        using Device device = Device.Open();
        Stream first = device.CreateStream();
        DeviceMemory<byte> survivor = device.Allocate<byte>(5 << 20, first);
        device.Allocate<byte>(40 << 20, first).Dispose();
        first.Dispose();
        survivor.Dispose();
        long reserved = device.Memory.Statistics.ReservedBytes;
        using Stream second = device.CreateStream();
        using DeviceMemory<byte> large = device.Allocate<byte>(40 << 20, second);
        using DeviceMemory<byte> medium = device.Allocate<byte>(5 << 20, second);
        Assert.Equal(reserved, device.Memory.Statistics.ReservedBytes);
    }

    [Fact]
    public void Trim_gives_everything_back_and_pressure_follows()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        device.Allocate<byte>(8 << 20, stream).Dispose();
        Assert.Equal(8 << 20, device.Memory.Statistics.ReservedBytes);
        Assert.Equal(8 << 20, device.Memory.Trim());
        Assert.Equal(0, device.Memory.Statistics.ReservedBytes);
        Assert.Equal(8 << 20, device.Memory.Statistics.PeakReservedBytes);
        device.Memory.ResetPeaks();
        Assert.Equal(0, device.Memory.Statistics.PeakReservedBytes);
    }
}

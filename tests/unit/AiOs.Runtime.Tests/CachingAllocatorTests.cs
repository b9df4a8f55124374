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
        Assert.Contains(nameof(Running_out_names_the_holders_and_what_to_do), error.Message, StringComparison.Ordinal);
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

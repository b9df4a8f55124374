namespace AiOs.Runtime.Tests;

public class MemoryChecksTests
{
    [Fact]
    public void Poison_makes_what_is_read_after_a_free_no_number()
    {
        using Device device = Open("poison");
        using Stream stream = device.CreateStream();
        DeviceMemory<float> memory = device.Allocate<float>(1000, stream);
        memory.CopyFrom(new float[1000], stream);
        nint address = memory.Pointer;
        memory.Dispose();
        float[] read = new float[1000];
        stream.CopyToHost<float>(read, address);
        Assert.All(read, value => Assert.True(float.IsNaN(value)));
    }

    [Theory]
    [InlineData(1000, 1, "0 bytes after its end")]
    [InlineData(1010, 1, "10 bytes after its end")]
    [InlineData(-1, 1, "1 bytes before its start")]
    [InlineData(0, 1000, null)]
    public void Red_zones_name_the_block_that_was_overrun(int offset, long bytes, string? where)
    {
        using Device device = Open("red-zones=100", track: true);
        using Stream stream = device.CreateStream();
        DeviceMemory<byte> memory = device.Allocate<byte>(1000, stream);
        stream.Fill(memory.Pointer + offset, 1, bytes);
        if (where is null)
        {
            memory.Dispose();
            return;
        }

        var error = Assert.Throws<MemoryCorruptionException>(memory.Dispose);
        Assert.Contains(where, error.Message, StringComparison.Ordinal);
        Assert.Contains(nameof(Red_zones_name_the_block_that_was_overrun), error.Message, StringComparison.Ordinal);
        Assert.Equal(1000, error.Bytes);
        Assert.Equal(0, device.Memory.Statistics.LiveBlocks);
    }

    [Fact]
    public void A_red_zone_is_looked_at_after_the_work_of_other_streams()
    {
        using Device device = Open("red-zones=100");
        using Stream stream = device.CreateStream(), other = device.CreateStream();
        DeviceMemory<byte> large = device.Allocate<byte>(64 << 20, other);
        DeviceMemory<byte> memory = device.Allocate<byte>(1000, stream);
        stream.Synchronize(); // The zones are filled there, in no order with what the other stream does.
        other.Fill(large.Pointer, 1, large.Bytes); // Keeps the other stream busy for a while.
        other.Fill(memory.On(other) + 1000, 1, 8);
        Assert.Throws<MemoryCorruptionException>(memory.Dispose);
        large.Dispose();
    }

    [Fact]
    public void The_allocation_that_was_asked_to_fail_does_and_the_next_does_not()
    {
        using Device device = Open("fail=2");
        using Stream stream = device.CreateStream();
        device.Allocate<byte>(10, stream).Dispose();
        Assert.Throws<DeviceOutOfMemoryException>(() => device.Allocate<byte>(10, stream));
        device.Allocate<byte>(10, stream).Dispose();
    }

    [Fact]
    public void Zones_that_the_device_has_no_memory_for_are_an_error()
    {
        var checks = new MemoryChecks { RedZoneBytes = 1 << 30 };
        using Device device = Device.Open(options: new DeviceOptions { MemoryChecks = checks, MemoryLimitBytes = 64 << 20, DetectRaces = false });
        using Stream stream = device.CreateStream();
        Assert.Throws<DeviceOutOfMemoryException>(() => device.Allocate<byte>(1000, stream));
    }

    /// <summary>Launches would write to memory of the host that is gone.</summary>
    [Fact]
    public void Looking_at_a_red_zone_is_no_part_of_a_graph()
    {
        using Device device = Open("red-zones=100");
        using Stream stream = device.CreateStream();
        using Graph graph = Graph.Capture(stream, captured => device.Allocate<byte>(1000, captured).Dispose());
        Assert.Equal(2, graph.Count); // The two zones are filled.
    }

    /// <summary>Launches would poison whoever has the memory by then.</summary>
    [Fact]
    public void What_is_freed_while_a_graph_is_recorded_is_poisoned_by_no_launch()
    {
        using Device device = Open("poison");
        using Stream stream = device.CreateStream();
        DeviceMemory<byte> freed = device.Allocate<byte>(1000, stream);
        using Graph graph = Graph.Capture(stream, _ => freed.Dispose());
        Assert.Equal(0, graph.Count);
    }

    [Fact]
    public void A_list_of_checks_is_read()
    {
        Assert.Equal(new MemoryChecks(), MemoryChecks.Parse(""));
        Assert.Equal(
            new MemoryChecks { PoisonFreed = true, RedZoneBytes = 64, FailAllocation = 9, PlacementSeed = 0, Validate = true },
            MemoryChecks.Parse("poison, red-zones=64,fail=9,placement=0,validate"));
    }

    [Theory]
    [InlineData("poisson")]
    [InlineData("red-zones")]
    [InlineData("red-zones=0")]
    [InlineData("red-zones=1073741825")]
    [InlineData("fail=-1")]
    [InlineData("validate=1")]
    public void A_check_that_is_not_known_is_named(string text) =>
        Assert.Contains(text, Assert.Throws<AiOsException>(() => MemoryChecks.Parse(text)).Message, StringComparison.Ordinal);

    // Without the race detector, which finds the same mistakes earlier.
    private static Device Open(string checks, bool track = false) =>
        Device.Open(options: new DeviceOptions { MemoryChecks = MemoryChecks.Parse(checks), CaptureCallSites = track, DetectRaces = false });
}

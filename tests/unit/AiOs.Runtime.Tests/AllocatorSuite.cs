namespace AiOs.Runtime.Tests;

/// <summary>What every composition of layers must do, on a real device; a composition is a class of one line below.</summary>
public abstract class AllocatorSuite(string checks, bool track = false, bool races = false) : IDisposable
{
    private readonly Device _device = Device.Open(options: new DeviceOptions
    {
        MemoryChecks = MemoryChecks.Parse(checks),
        CaptureCallSites = track,
        DetectRaces = races,
        MemoryLimitBytes = 256 << 20,
        OnLeak = leaks => Assert.Fail(leaks.ToString()),
    });

    public void Dispose()
    {
        _device.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void Blocks_keep_what_is_written_to_them()
    {
        using Stream stream = _device.CreateStream();
        var random = new Random(11);
        var live = new List<(DeviceMemory<byte> Memory, byte Value)>();
        for (int step = 0; step < 400; step++)
        {
            if (live.Count < 20 || random.Next(2) == 0)
            {
                DeviceMemory<byte> memory = _device.Allocate<byte>(1 + (long)Math.Pow(2, 22 * random.NextDouble()), stream);
                memory.Span.Fill((byte)step, stream);
                live.Add((memory, (byte)step));
            }
            else
            {
                int index = random.Next(live.Count);
                byte[] read = new byte[live[index].Memory.Length];
                live[index].Memory.CopyTo(read, stream);
                Assert.Equal(-1, read.AsSpan().IndexOfAnyExcept(live[index].Value));
                live[index].Memory.Dispose();
                live.RemoveAt(index);
            }
        }

        live.ForEach(block => block.Memory.Dispose());
        Assert.Equal(0, _device.Memory.Statistics.LiveBlocks);
    }

    [Fact]
    public void A_block_used_on_another_stream_is_not_given_out_before_that_is_done()
    {
        using Stream owner = _device.CreateStream(), user = _device.CreateStream();
        DeviceMemory<byte> memory = _device.Allocate<byte>(1000, owner);
        nint address = memory.On(user);
        memory.Dispose();
        using DeviceMemory<byte> meanwhile = _device.Allocate<byte>(1000, owner);
        if (_device.Memory.Statistics.ParkedBytes > 0) // Some layers wait for uses when a block is freed.
        {
            Assert.NotEqual(address, meanwhile.Pointer);
        }

        using Event used = _device.CreateEvent();
        user.Record(used);
        owner.WaitFor(used);
        using DeviceMemory<byte> after = _device.Allocate<byte>(1000, owner);
        Assert.Equal(0, _device.Memory.Statistics.ParkedBytes);
    }

    [Fact]
    public void A_second_free_is_refused()
    {
        using Stream stream = _device.CreateStream();
        Allocation block = _device.Memory.Allocate(100, stream);
        _device.Memory.Free(block);
        Assert.Throws<ArgumentException>(() => _device.Memory.Free(block));
        Assert.Throws<ArgumentException>(() => _device.Memory.Free(default));
    }

    [Fact]
    public void Too_much_is_refused_and_less_is_had_afterwards()
    {
        using Stream stream = _device.CreateStream();
        using DeviceMemory<byte> half = _device.Allocate<byte>(120 << 20, stream);
        var error = Assert.Throws<DeviceOutOfMemoryException>(() => _device.Allocate<byte>(200 << 20, stream));
        Assert.Contains("120.0 MiB", error.Message, StringComparison.Ordinal);
        using DeviceMemory<byte> other = _device.Allocate<byte>(100 << 20, stream);
    }

    [Fact]
    public void Reports_show_blocks_as_they_were_asked_for()
    {
        using Stream stream = _device.CreateStream();
        using DeviceMemory<byte> memory = _device.Allocate<byte>(1234, stream);
        LeakedBlock block = Assert.Single(_device.Memory.Leaks().Blocks);
        Assert.Equal((memory.Pointer, 1234), (block.Address, block.Bytes));
        Assert.Equal(track, block.Stack?.Contains(nameof(Reports_show_blocks_as_they_were_asked_for), StringComparison.Ordinal) ?? false);
    }
}

public sealed class PlainSuite() : AllocatorSuite("");

public sealed class TrackingSuite() : AllocatorSuite("", track: true);

public sealed class PoisonSuite() : AllocatorSuite("poison");

public sealed class RedZoneSuite() : AllocatorSuite("red-zones=64");

public sealed class PlacementSuite() : AllocatorSuite("placement=3");

public sealed class ValidatingSuite() : AllocatorSuite("validate");

public sealed class RaceSuite() : AllocatorSuite("", races: true);

public sealed class EverySuite() : AllocatorSuite("poison,red-zones=1000,placement=5,validate", track: true, races: true);

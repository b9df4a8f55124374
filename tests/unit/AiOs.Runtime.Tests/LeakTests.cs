using System.Runtime.CompilerServices;

namespace AiOs.Runtime.Tests;

public class LeakTests
{
    [Fact]
    public void What_is_not_disposed_is_named_with_its_stack()
    {
        LeakReport? report = null;
        DeviceMemory<int> forgotten;
        PinnedMemory<int> pinned;
        using (Device device = Device.Open(options: new DeviceOptions { CaptureCallSites = true, OnLeak = leaks => report = leaks }))
        {
            Stream stream = device.CreateStream();
            forgotten = device.Allocate<int>(1000, stream);
            pinned = device.AllocatePinned<int>(10);
        }

        Assert.NotNull(report);
        Assert.Equal(4040, report.TotalBytes);
        Assert.All(report.Blocks, block => Assert.Contains(nameof(What_is_not_disposed_is_named_with_its_stack), block.Stack, StringComparison.Ordinal));
        Assert.Contains("2 leaked blocks", report.ToString(), StringComparison.Ordinal);
        Assert.Throws<ObjectDisposedException>(() => forgotten.Pointer);
        Assert.Throws<ObjectDisposedException>(() => pinned.Pointer);
        forgotten.Dispose();
    }

    [Fact]
    public void A_collected_owner_is_freed_later_and_recorded()
    {
        using Device device = Device.Open(options: new DeviceOptions { OnLeak = _ => { } });
        using Stream stream = device.CreateStream();
        Forget(device, stream);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        LeakReport leaks = device.Memory.Leaks();
        LeakedBlock leaked = Assert.Single(leaks.Blocks);
        Assert.True(leaked.Finalized);
        Assert.Equal(4000, leaked.Bytes);
        Assert.Equal(0, device.Memory.Statistics.LiveBlocks);
    }

    [Fact]
    public void A_clean_run_reports_nothing()
    {
        bool reported = false;
        using (Device device = Device.Open(options: new DeviceOptions { OnLeak = _ => reported = true }))
        using (Stream stream = device.CreateStream())
        {
            device.Allocate<float>(100, stream).Dispose();
            Assert.Equal("no leaked device memory", device.Memory.Leaks().ToString());
        }

        Assert.False(reported);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget(Device device, Stream stream)
    {
        _ = device.Allocate<int>(1000, stream);
        _ = device.CreateEvent();
    }
}

namespace AiOs.Runtime.Tests;

/// <summary>Snapshots of a device that is used.</summary>
public sealed class SnapshotDeviceTests
{
    [Fact]
    public void A_snapshot_shows_what_is_allocated_and_how_it_came_about()
    {
        using Device device = Device.Open(options: new DeviceOptions { MemoryHistory = 1000 });
        using Stream stream = device.CreateStream();
        using DeviceMemory<float> small = device.Allocate<float>(100, stream);
        using (device.Allocate<byte>(3 << 20, stream))
        {
            using DeviceMemory<byte> large = device.Allocate<byte>(5 << 20, stream);
            MemorySnapshot during = device.Memory.Snapshot();
            Assert.Equal(400 + (8 << 20), during.RequestedBytes);
            Assert.Equal(device.Memory.Statistics.ReservedBytes, during.ReservedBytes);
            MemoryHolder holder = during.Holders()[0];
            Assert.Equal(8 << 20, during.Holders().Where(h => h.Site == holder.Site).Sum(h => h.Bytes) + during.Holders().Skip(1).Sum(h => h.Bytes) - 400);
            Assert.StartsWith($"SnapshotDeviceTests.{nameof(A_snapshot_shows_what_is_allocated_and_how_it_came_about)} (", holder.Site, StringComparison.Ordinal);
        }

        MemorySnapshot after = device.Memory.Snapshot();
        Assert.Equal(400, after.RequestedBytes);
        Assert.Equal(
            [MemoryAction.Allocate, MemoryAction.Allocate, MemoryAction.Allocate, MemoryAction.Free, MemoryAction.Free],
            after.History.Select(step => step.Action).Where(action => action is MemoryAction.Allocate or MemoryAction.Free));
        Assert.Contains(after.History, step => step.Action == MemoryAction.Map);
        Assert.True(after.Statistics.PeakAllocatedBytes >= 400 + (8 << 20));
        MemoryTimeline timeline = MemoryTimeline.Of(after);
        Assert.Equal((0, 0), (timeline.Allocated[0], timeline.Reserved[0]));
        Assert.Equal(400 + (8 << 20), timeline.Allocated.Max());
        foreach (MemorySegment segment in after.Segments)
        {
            Assert.Equal(segment.Bytes, segment.Blocks.Sum(block => block.Bytes));
            Assert.Equal(segment.Address, segment.Blocks[0].Address);
        }
    }

    [Fact]
    public void The_history_keeps_the_last_events_and_what_ran_out()
    {
        using Device device = Device.Open(options: new DeviceOptions { MemoryHistory = 10, MemoryLimitBytes = 16 << 20 });
        using Stream stream = device.CreateStream();
        for (int i = 0; i < 20; i++)
        {
            device.Allocate<byte>(1000, stream).Dispose();
        }

        Assert.Throws<DeviceOutOfMemoryException>(() => device.Allocate<byte>(32 << 20, stream));
        MemorySnapshot snapshot = device.Memory.Snapshot();
        Assert.Equal(10, snapshot.History.Length);
        Assert.True(snapshot.ForgottenEvents >= 31);
        MemoryEvent last = snapshot.History.Last(step => step.Action == MemoryAction.OutOfMemory);
        Assert.Equal(32 << 20, last.RequestedBytes);
        Assert.Equal(snapshot.History.OrderBy(step => step.Time).Select(step => step.Time), snapshot.History.Select(step => step.Time));
    }

    [Fact]
    public void Without_history_a_snapshot_shows_the_present_only()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        using DeviceMemory<byte> memory = device.Allocate<byte>(1000, stream);
        MemorySnapshot snapshot = device.Memory.Snapshot();
        Assert.Empty(snapshot.History);
        Assert.Equal(("unknown", 1, 1000L), (snapshot.Holders()[0].Site, snapshot.Holders()[0].Blocks, snapshot.Holders()[0].Bytes));
    }

    [Fact]
    public void The_history_of_several_threads_leads_back_to_nothing()
    {
        using Device device = Device.Open(options: new DeviceOptions { MemoryHistory = 1 << 20 });
        var threads = Enumerable.Range(0, 4).Select(seed => new Thread(() =>
        {
            using Stream stream = device.CreateStream();
            var random = new Random(seed);
            var live = new List<DeviceMemory<byte>>();
            for (int i = 0; i < 300; i++)
            {
                if (live.Count > 0 && random.Next(2) == 0)
                {
                    int k = random.Next(live.Count);
                    live[k].Dispose();
                    live.RemoveAt(k);
                }
                else
                {
                    live.Add(device.Allocate<byte>(random.Next(1, 1 << random.Next(4, 23)), stream));
                }
            }

            live.ForEach(memory => memory.Dispose());
        })).ToArray();
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        device.Memory.Trim();
        MemorySnapshot snapshot = device.Memory.Snapshot();
        Assert.Equal((0L, 0L), (snapshot.RequestedBytes, snapshot.ReservedBytes));
        var there = new HashSet<nint>();
        long reserved = 0;
        foreach (MemoryEvent step in snapshot.History)
        {
            Assert.True(step.Action switch
            {
                MemoryAction.Allocate => there.Add(step.Address),
                MemoryAction.Free => there.Remove(step.Address),
                _ => true,
            });
            reserved += step.Action switch { MemoryAction.Map => step.Bytes, MemoryAction.Unmap => -step.Bytes, _ => 0 };
        }

        Assert.Empty(there);
        Assert.Equal(0, reserved);
        Assert.Equal(0, MemoryTimeline.Of(snapshot).Reserved[0]);
    }
}

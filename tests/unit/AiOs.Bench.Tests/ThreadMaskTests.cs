using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using AiOs.Bench.Peers;

namespace AiOs.Bench.Tests;

/// <summary>The processors of a thread, compared with what the kernel's list of the thread's processors says.</summary>
[Collection("one at a time")] // the processors of its thread become how many workers the process has
public sealed class ThreadMaskTests
{
    private static EnvironmentTable System => new(NativeLibrary.Load(EnvironmentTable.LibraryNames[0]));

    [Fact]
    public void The_first_processor_and_then_all_of_them_again() => OnAThread(() =>
    {
        int[] before = Allowed();
        ThreadMask mask = ThreadMask.Read(System)!;
        Assert.Equal(before.Length, mask.Count);
        mask.UseFirst();
        Assert.Equal(before[..1], Allowed());
        mask.UseAll();
        Assert.Equal(before, Allowed());
    });

    [Fact]
    public void Processors_that_the_caller_may_not_use_are_not_given_back() => OnAThread(() =>
    {
        int[] all = Allowed();
        Assert.SkipWhen(all.Length < 2, "the thread has one processor only");
        ThreadMask.Read(System)!.UseFirst();
        ThreadMask one = ThreadMask.Read(System)!;
        one.UseFirst();
        one.UseAll();
        Assert.Equal(all[..1], Allowed());
    });

    [Fact]
    public void A_peer_runs_on_the_first_and_leaves_the_thread_as_it_was() => OnAThread(() =>
    {
        int[] before = Allowed();
        List<int[]> during = [];
        using SimplePeer peer = new("peer", _ => during.Add(Allowed()), ThreadMask.Read(System));
        peer.Time(0, 2);
        Assert.Equal([before[..1], before[..1]], during);
        Assert.Equal(before, Allowed());
    });

    [Fact]
    public void A_peer_that_fails_leaves_the_thread_as_it_was() => OnAThread(() =>
    {
        int[] before = Allowed();
        using SimplePeer peer = new("peer", _ => throw new InvalidOperationException(), ThreadMask.Read(System));
        Assert.Throws<InvalidOperationException>(() => peer.Time(0, 1));
        Assert.Equal(before, Allowed());
    });

    [Fact]
    public void Opening_the_libraries_leaves_the_thread_as_it_was() => OnAThread(() =>
    {
        int[] before = Allowed();
        using Runtime.Device device = Runtime.Device.Open("cpu", new Runtime.DeviceOptions { Threads = 1 });
        _ = PeerLibraries.Open(device.Info);
        Assert.Equal(before, Allowed());
    });

    /// <summary>Numbers of the processors that the calling thread may use.</summary>
    private static int[] Allowed()
    {
        const string Key = "Cpus_allowed_list:";
        string list = File.ReadLines("/proc/thread-self/status").First(line => line.StartsWith(Key, StringComparison.Ordinal))[Key.Length..];
        return [.. list.Split(',').Select(range => Array.ConvertAll(range.Split('-'), int.Parse))
            .SelectMany(ends => Enumerable.Range(ends[0], ends[^1] - ends[0] + 1))];
    }

    // A thread of its own: whatever goes wrong, no other test is left on one processor.
    private static void OnAThread(Action test)
    {
        ExceptionDispatchInfo? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                test();
            }
#pragma warning disable CA1031 // It is thrown again by the thread that waits.
            catch (Exception e)
#pragma warning restore CA1031
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        });
        thread.Start();
        thread.Join();
        failure?.Throw();
    }
}

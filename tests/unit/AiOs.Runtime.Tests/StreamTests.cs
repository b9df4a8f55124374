using AiOs.Interop;

namespace AiOs.Runtime.Tests;

/// <summary>Names, priorities, callbacks, waits without threads, and errors of streams.</summary>
public class StreamTests
{
    [Fact]
    public void A_stream_has_the_name_and_priority_it_was_given()
    {
        using Device device = Device.Open();
        using Stream named = device.CreateStream(new StreamOptions { Name = "copies", Priority = StreamPriority.High });
        using Stream plain = device.CreateStream();
        Assert.Equal("copies", named.Name);
        Assert.Equal(StreamPriority.High, named.Priority);
        Assert.Equal($"stream {plain.Number}", plain.Name);
        Assert.NotEqual(named.Number, plain.Number);
        var error = Assert.Throws<BackendException>(() => device.CreateStream(new StreamOptions { Priority = (StreamPriority)9 }));
        Assert.Contains("priority is 9", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Functions_of_the_host_are_called_in_order()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        using DeviceMemory<int> memory = device.Allocate<int>(1, stream);
        using PinnedMemory<int> seen = device.AllocatePinned<int>(1);
        var order = new List<int>();
        memory.CopyFrom([7], stream);
        stream.Copy(seen.Pointer, memory.Pointer, sizeof(int));
        stream.Enqueue(() => order.Add(seen.GetSpan()[0]));
        memory.Span.Fill(0, stream);
        stream.Copy(seen.Pointer, memory.Pointer, sizeof(int));
        stream.Enqueue(() => order.Add(seen.GetSpan()[0]));
        stream.Synchronize();
        Assert.Equal([7, 0], order);
    }

    [Fact]
    public void The_exception_of_a_function_becomes_the_streams_error()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        bool ran = false;
        stream.Enqueue(() => throw new InvalidDataException("the file ended\nearly"));
        stream.Enqueue(() => ran = true);
        var error = Assert.Throws<BackendException>(stream.Synchronize);
        Assert.Equal(aios_status.ExecutionFailed, error.Status);
        Assert.Contains("InvalidDataException: the file ended early", error.Message, StringComparison.Ordinal);
        Assert.False(ran);
    }

    [Fact]
    public void A_stream_may_be_disposed_while_others_wait_for_the_device()
    {
        using Device device = Device.Open();
        bool stop = false;
        Exception? failure = null;
        var waiting = new Thread(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                failure ??= Record.Exception(device.Synchronize);
                failure ??= Record.Exception(() => device.Memory.Trim());
            }
        });
        waiting.Start();
        for (int i = 0; i < 300; i++)
        {
            using Stream stream = device.CreateStream();
            using DeviceMemory<int> memory = device.Allocate<int>(1000, stream);
            memory.Span.Fill(1, stream);
        }

        Volatile.Write(ref stop, true);
        waiting.Join();
        Assert.Null(failure);
    }

    // A freed block is read and filled by its stream, and waits for the stream that used it last.
    [Fact]
    public void A_stream_may_be_disposed_while_another_thread_frees_its_blocks()
    {
        using Device device = Device.Open(
            options: new DeviceOptions { MemoryChecks = new MemoryChecks { RedZoneBytes = 512, PoisonFreed = true }, DetectRaces = false });
        using Stream other = device.CreateStream();
        var random = new Random(5);
        using var start = new Barrier(2);
        DeviceMemory<int>[] blocks = [];
        CancellationToken cancelled = TestContext.Current.CancellationToken;
        Exception? failure = null;
        const int tries = 800;
        var freeing = new Thread(() =>
        {
            for (int i = 0; i < tries; i++)
            {
                start.SignalAndWait(cancelled);
                foreach (DeviceMemory<int> block in blocks)
                {
                    failure ??= Record.Exception(block.Dispose);
                }

                start.SignalAndWait(cancelled);
            }
        });
        freeing.Start();
        for (int i = 0; i < tries; i++)
        {
            Stream stream = device.CreateStream();
            blocks = [.. Enumerable.Range(0, 16).Select(_ => device.Allocate<int>(100, stream))];
            foreach (DeviceMemory<int> block in blocks)
            {
                block.Span.Fill(1, other);
            }

            start.SignalAndWait(cancelled);
            Thread.SpinWait(random.Next(10_000));
            stream.Dispose();
            start.SignalAndWait(cancelled);
        }

        freeing.Join();
        Assert.Null(failure);
        other.Synchronize();
    }

    [Fact]
    public void A_very_long_message_is_cut()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        stream.Enqueue(() => throw new InvalidDataException(new string('é', 5000)));
        var error = Assert.Throws<BackendException>(stream.Synchronize);
        Assert.Contains("InvalidDataException: éé", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wait_ends_with_the_work_and_not_before()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        using var release = new ManualResetEventSlim();
        bool ran = false;
        stream.Enqueue(() => ran = release.Wait(TestProcess.Patience));
        ValueTask wait = stream.SynchronizeAsync(TestContext.Current.CancellationToken);
        Assert.False(wait.IsCompleted);
        release.Set();
        await wait;
        Assert.True(ran);
        stream.Synchronize(); // Who is told of the work's end may look before the telling has ended.
        Assert.True(stream.IsIdle);
    }

    [Fact]
    public async Task A_cancelled_wait_ends_and_the_work_goes_on()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        using var release = new ManualResetEventSlim();
        bool ran = false;
        stream.Enqueue(() => ran = release.Wait(TestProcess.Patience));
        using var cancel = new CancellationTokenSource();
        ValueTask wait = stream.SynchronizeAsync(cancel.Token);
        Assert.False(wait.IsCompleted);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await wait);
        Assert.False(ran);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await stream.SynchronizeAsync(cancel.Token));
        release.Set();
        stream.Synchronize();
        Assert.True(ran);
    }

    [Fact]
    public async Task A_wait_for_failed_work_throws_its_error()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        using Event recorded = device.CreateEvent();
        stream.Enqueue(() => throw new InvalidDataException("broken"));
        stream.Record(recorded);
        var error = await Assert.ThrowsAsync<BackendException>(async () => await stream.SynchronizeAsync(TestContext.Current.CancellationToken));
        Assert.Contains("broken", error.Message, StringComparison.Ordinal);
        error = await Assert.ThrowsAsync<BackendException>(async () => await recorded.SynchronizeAsync(TestContext.Current.CancellationToken));
        Assert.Contains("broken", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_event_is_waited_for_alone()
    {
        using Device device = Device.Open(options: new DeviceOptions { Threads = 2 });
        using Stream stream = device.CreateStream();
        using Event never = device.CreateEvent(), first = device.CreateEvent();
        await never.SynchronizeAsync(TestContext.Current.CancellationToken);
        using var release = new ManualResetEventSlim();
        bool ran = false;
        stream.Enqueue(() => ran = true);
        stream.Record(first);
        stream.Enqueue(() => release.Wait(TestProcess.Patience));
        await first.SynchronizeAsync(TestContext.Current.CancellationToken);
        Assert.True(ran);
        Assert.False(stream.IsIdle);
        release.Set();
        await stream.SynchronizeAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Many_waits_at_a_time_all_end()
    {
        using Device device = Device.Open();
        Stream[] streams = [.. Enumerable.Range(0, 6).Select(_ => device.CreateStream())];
        int ran = 0;
        await Task.WhenAll(streams.Select(stream => Task.Run(async () =>
        {
            for (int i = 0; i < 200; i++)
            {
                stream.Enqueue(() => Interlocked.Increment(ref ran));
                using var cancel = new CancellationTokenSource();
                ValueTask wait = stream.SynchronizeAsync(cancel.Token);
                if (i % 3 == 0)
                {
                    await cancel.CancelAsync();
                }

                try
                {
                    await wait;
                }
                catch (OperationCanceledException)
                {
                    Assert.Equal(0, i % 3);
                }
            }
        })));
        device.Synchronize();
        Assert.Equal(1200, ran);
    }

    [Fact]
    public unsafe void An_error_names_the_op_and_where_it_was_launched()
    {
        using Device device = Device.Open(options: new DeviceOptions { CaptureCallSites = true });
        using Stream stream = device.CreateStream();
        using DeviceMemory<float> table = device.Allocate<float>(4, stream);
        using DeviceMemory<int> ids = device.Allocate<int>(1, stream);
        ids.CopyFrom([70_000], stream);
        stream.Check(
            device.Kernels.aios_gather(
                stream.Handle, (void*)table.Pointer, (void*)table.Pointer, (int*)ids.Pointer, 1, 4, 1, 1, aios_dtype.F32),
            "aios_gather");
        var error = Assert.Throws<BackendException>(stream.Synchronize);
        Assert.Contains("aios_gather: ids[0] is 70000", error.Message, StringComparison.Ordinal);
        Assert.Contains(nameof(An_error_names_the_op_and_where_it_was_launched), error.Message, StringComparison.Ordinal);
        Assert.Contains("StreamTests.cs:", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_error_of_a_function_says_that_it_was_one_and_where_it_was_enqueued()
    {
        using Device device = Device.Open(options: new DeviceOptions { CaptureCallSites = true });
        using Stream stream = device.CreateStream();
        stream.Enqueue(() => throw new InvalidDataException("the file ended\nearly"));
        var error = await Assert.ThrowsAsync<BackendException>(() => stream.SynchronizeAsync(TestContext.Current.CancellationToken).AsTask());
        Assert.Contains(": callback: InvalidDataException: the file ended early, enqueued at ", error.Message, StringComparison.Ordinal);
        Assert.Contains(nameof(An_error_of_a_function_says_that_it_was_one_and_where_it_was_enqueued), error.Message, StringComparison.Ordinal);
    }

    // A callback of the wait would have become a node that completes it again in each launch.
    [Fact]
    public void What_is_captured_is_not_waited_for_without_a_thread_either()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        using Event recorded = device.CreateEvent();
        Assert.Contains("being captured", Refused(s => _ = s.SynchronizeAsync(TestContext.Current.CancellationToken).AsTask()), StringComparison.Ordinal);
        Refused(s =>
        {
            s.Record(recorded);
            _ = recorded.SynchronizeAsync(TestContext.Current.CancellationToken).AsTask();
        });
        stream.Synchronize();

        string Refused(Action<Stream> record)
        {
            BackendException? refusal = null;
            _ = Record.Exception(() => Graph.Capture(stream, s => refusal = Assert.Throws<BackendException>(() => record(s))).Dispose());
            return Assert.IsType<BackendException>(refusal).Message;
        }
    }

    [Fact]
    public void A_wait_that_was_refused_has_seen_nothing_done()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        using Event recorded = device.CreateEvent();
        using var release = new ManualResetEventSlim();
        stream.Enqueue(() => release.Wait(TestProcess.Patience));
        try
        {
            foreach (Action refused in new Action[] { stream.Synchronize, device.Synchronize, () => _ = stream.IsIdle, () => _ = recorded.IsComplete })
            {
                long stamp = device.Clocks.Pending(stream.Clock);
                _ = Record.Exception(() => Graph.Capture(stream, s =>
                {
                    s.Record(recorded);
                    Assert.Throws<BackendException>(refused);
                }).Dispose());
                Assert.False(device.Clocks.IsDone(stream.Clock, stamp));
            }
        }
        finally
        {
            release.Set();
        }
    }

    // The token is cancelled after it was asked for and before the provider refuses.
    [Fact]
    public async Task A_wait_that_is_cancelled_and_refused_ends_no_other()
    {
        using Device device = Device.Open();
        using Stream captured = device.CreateStream(), busy = device.CreateStream();
        using Event recorded = device.CreateEvent();
        using var release = new ManualResetEventSlim();
        busy.Enqueue(() => release.Wait(TestProcess.Patience));
        var waits = new List<Task>();
        Graph.Capture(captured, s =>
        {
            s.Record(recorded);
            for (int i = 0; i < 200; i++)
            {
                Assert.Throws<BackendException>(() => { _ = Completion.Rent(device).Start(recorded.Handle, new CancellationToken(canceled: true)).AsTask(); });
                waits.Add(busy.SynchronizeAsync(TestContext.Current.CancellationToken).AsTask());
            }
        }).Dispose();
        await Task.Delay(50, TestContext.Current.CancellationToken);
        Assert.DoesNotContain(waits, wait => wait.IsCompleted);
        release.Set();
        await Task.WhenAll(waits);
    }

    [Fact]
    public void An_event_of_another_device_is_waited_for_and_orders_no_streams_of_this_one()
    {
        using Device device = Device.Open(), another = Device.Open();
        using Stream waits = device.CreateStream(), beside = device.CreateStream();
        using Stream first = another.CreateStream(), second = another.CreateStream();
        using Event theirs = another.CreateEvent(), ours = device.CreateEvent();
        for (int i = 0; i < 5; i++)
        {
            second.Record(theirs);
        }

        waits.WaitFor(theirs);
        Assert.False(device.Clocks.IsOrdered(waits.Clock, beside.Clock, device.Clocks.Pending(beside.Clock)));
        Assert.Throws<ArgumentException>(() => waits.Record(theirs));
        waits.Record(ours);
        Assert.Throws<ArgumentException>(() => Event.ElapsedMilliseconds(theirs, ours));
        using Device stranger = Device.Open(Device.DefaultName == "cpu" ? "cuda-sim" : "cpu");
        using Event strange = stranger.CreateEvent();
        var error = Assert.Throws<ArgumentException>(() => waits.WaitFor(strange));
        Assert.Contains($"a stream of {device.Name} cannot wait for an event of {stranger.Name}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_time_of_an_event_is_that_of_work_that_has_run()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        using Event start = device.CreateEvent(), end = device.CreateEvent();
        var never = Assert.Throws<BackendException>(() => Event.ElapsedMilliseconds(start, end));
        Assert.Contains("was never recorded", never.Message, StringComparison.Ordinal);
        using var release = new ManualResetEventSlim();
        stream.Record(start);
        stream.Enqueue(() => release.Wait(TestProcess.Patience));
        stream.Record(end);
        var early = Assert.Throws<BackendException>(() => Event.ElapsedMilliseconds(start, end));
        Assert.Contains("has not completed yet", early.Message, StringComparison.Ordinal);
        release.Set();
        end.Synchronize();
        Assert.True(Event.ElapsedMilliseconds(start, end) >= 0);
    }
}

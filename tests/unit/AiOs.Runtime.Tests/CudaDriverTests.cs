using AiOs.Interop;

namespace AiOs.Runtime.Tests;

/// <summary>
/// What CUDA devices have beside what all have, and what their driver does when something is wrong, with no fault asked for:
/// on the simulator, or on a GPU when AIOS_BACKEND says so.
/// </summary>
[Collection("one at a time")] // one takes all of the memory, of a GPU for all processes
public sealed class CudaDriverTests
{
    private const int Pieces = 8;

    [Fact]
    public void Memory_is_copied_between_devices_in_the_order_of_both_streams()
    {
        CudaDevices.NeedTwo();
        using Device here = Device.Open($"{CudaDevices.Backend}:0"), there = Device.Open($"{CudaDevices.Backend}:1");
        using Stream source = here.CreateStream(), target = there.CreateStream();
        using DeviceMemory<int> from = here.Allocate<int>(1000, source), to = there.Allocate<int>(1000, target);
        for (int i = 0; i < 50; i++)
        {
            from.CopyFrom([.. Enumerable.Repeat(i, 1000)], source);
            to.Span.Fill(0xFF, target);
            from.Span.Slice(0, 500).CopyTo(to.Span.Slice(100, 500), source);
            int[] read = new int[1000];
            to.CopyTo(read, target); // waits for the copy, though another device makes it
            Assert.Equal([.. Enumerable.Repeat(-1, 100), .. Enumerable.Repeat(i, 500), .. Enumerable.Repeat(-1, 400)], read);
        }

        using Device cpu = Device.Open("cpu");
        using Stream other = cpu.CreateStream();
        using DeviceMemory<int> host = cpu.Allocate<int>(1000, other);
        Assert.Throws<ArgumentException>(() => from.Span.CopyTo(host.Span, source));
    }

    [Fact]
    public void A_copy_between_devices_keeps_freed_memory_until_it_has_run()
    {
        CudaDevices.NeedTwo();
        using Device here = Device.Open($"{CudaDevices.Backend}:0"), there = Device.Open($"{CudaDevices.Backend}:1");
        using Stream source = here.CreateStream(), side = here.CreateStream(), target = there.CreateStream();
        using DeviceMemory<int> to = there.Allocate<int>(1 << 18, target);
        for (int i = 0; i < 20; i++)
        {
            DeviceMemory<int> from = here.Allocate<int>(1 << 18, source);
            from.CopyFrom([.. Enumerable.Repeat(i, 1 << 18)], source);
            from.Span.CopyTo(to.Span, side);
            from.Dispose();
            using DeviceMemory<int> next = here.Allocate<int>(1 << 18, source);
            next.Span.Fill(0xEE, source);
            int[] read = new int[1 << 18];
            to.CopyTo(read, target);
            Assert.Equal(-1, read.AsSpan().IndexOfAnyExcept(i));
        }
    }

    [Fact]
    public unsafe void What_a_kernel_refuses_is_the_error_of_its_stream_alone()
    {
        using Device device = Device.Open(CudaDevices.Backend);
        Stream[] streams = [.. Enumerable.Range(0, 4).Select(_ => device.CreateStream())];
        using DeviceMemory<float> table = device.Allocate<float>(8, streams[0]), rows = device.Allocate<float>(4, streams[0]);
        using DeviceMemory<int> ids = device.Allocate<int>(1, streams[0]);
        table.Span.Fill(0, streams[0]);
        ids.CopyFrom([99], streams[0]);
        streams[2].Check(
            device.Kernels.aios_gather(
                streams[2].Handle, (void*)rows.On(streams[2]), (void*)table.On(streams[2]), (int*)ids.On(streams[2]), 1, 2, 4, 1, aios_dtype.F32),
            "aios_gather");
        foreach (Stream stream in streams.Where((_, i) => i != 2))
        {
            stream.Synchronize();
        }

        var error = Assert.Throws<BackendException>(streams[2].Synchronize);
        Assert.Contains("aios_gather: ids[0] is 99, but the axis has 2 rows", error.Message, StringComparison.Ordinal);
        Array.ForEach(streams, stream => stream.Dispose());
    }

    [Fact]
    public unsafe void What_a_graph_refuses_is_the_error_of_the_stream_it_is_launched_on()
    {
        using Device device = Device.Open(CudaDevices.Backend);
        using Stream recorded = device.CreateStream(), launched = device.CreateStream();
        using DeviceMemory<float> table = device.Allocate<float>(8, recorded), rows = device.Allocate<float>(4, recorded);
        using DeviceMemory<int> ids = device.Allocate<int>(1, recorded);
        table.Span.Fill(0, recorded);
        ids.CopyFrom([5], recorded);
        using Graph graph = Graph.Capture(recorded, s => s.Check(
            device.Kernels.aios_gather(s.Handle, (void*)rows.Pointer, (void*)table.Pointer, (int*)ids.Pointer, 1, 2, 4, 1, aios_dtype.F32), "aios_gather"));
        Assert.Equal("gather_kernel", graph.Nodes[0].Name);
        graph.Launch(launched);
        Assert.Contains("ids[0] is 5", Assert.Throws<BackendException>(launched.Synchronize).Message, StringComparison.Ordinal);
        recorded.Synchronize();
    }

    /// <summary>In a process of its own, whose simulated device has little memory: all of it is taken.</summary>
    [Fact]
    public Task More_memory_than_there_is_is_refused() =>
        TestProcess.Run(typeof(CudaDriverTests), nameof(More_memory_than_there_is_is_refused_with_a_report_and_the_device_goes_on), [("AIOS_CUDASIM_MEMORY", "268435456")]);

    [Fact(Explicit = true)]
    public void More_memory_than_there_is_is_refused_with_a_report_and_the_device_goes_on()
    {
        using Device device = Device.Open(CudaDevices.Backend);
        using Stream stream = device.CreateStream();
        long all = device.Info.MemoryBytes;
        var error = Assert.Throws<DeviceOutOfMemoryException>(() => device.Allocate<byte>(all + (1 << 30), stream));
        Assert.Equal(all + (1 << 30), error.RequestedBytes);

        // Piece by piece it is the driver that has no more: some of the memory is its own.
        List<DeviceMemory<byte>> held = [];
        try
        {
            error = Assert.Throws<DeviceOutOfMemoryException>(() =>
            {
                for (int i = 0; i <= Pieces; i++)
                {
                    held.Add(device.Allocate<byte>(all / Pieces, stream));
                }
            });
            Assert.InRange(held.Count, 1, Pieces);
            Assert.Contains(CudaDevices.Backend, error.Message, StringComparison.Ordinal);
            Assert.Contains("MiB", error.Message.Replace("GiB", "MiB", StringComparison.Ordinal), StringComparison.Ordinal);
        }
        finally
        {
            held.ForEach(memory => memory.Dispose());
        }

        using DeviceMemory<int> again = device.Allocate<int>(1 << 20, stream);
        again.Span.Fill(0x11, stream);
        int[] read = new int[1 << 20];
        again.CopyTo(read, stream);
        Assert.Equal(-1, read.AsSpan().IndexOfAnyExcept(0x11111111));
    }

    /// <summary>The device is spoilt for the whole process, so another one does it.</summary>
    [Fact]
    public async Task A_kernel_that_writes_outside_memory_ends_the_work_of_its_process_alone()
    {
        await TestProcess.Run(typeof(CudaDriverTests), nameof(A_write_outside_memory_is_told_where_it_was_enqueued), []);
        using Device device = Device.Open(CudaDevices.Backend);
        using Stream stream = device.CreateStream();
        using DeviceMemory<int> memory = device.Allocate<int>(16, stream);
        memory.Span.Fill(0, stream);
        stream.Synchronize();
    }

    [Fact(Explicit = true)]
    public unsafe void A_write_outside_memory_is_told_where_it_was_enqueued()
    {
        using Device device = Device.Open(CudaDevices.Backend, new DeviceOptions { CaptureCallSites = true, DetectRaces = false }); // the detector would refuse it
        using Stream stream = device.CreateStream(), other = device.CreateStream();
        using DeviceMemory<float> memory = device.Allocate<float>(4, stream);
        nint outside = memory.Pointer + (nint)(4 * device.Info.MemoryBytes); // reserved with the rest, and never mapped
        stream.Check(device.Kernels.aios_fill(stream.Handle, (void*)outside, 1000, 1, aios_dtype.F32), "aios_fill");
        var error = Assert.Throws<BackendException>(stream.Synchronize);
        Assert.Equal(aios_status.ExecutionFailed, error.Status);
        Assert.Contains("CUDA_ERROR_ILLEGAL_ADDRESS", error.Message, StringComparison.Ordinal);
        Assert.Contains("start it again", error.Message, StringComparison.Ordinal);
        Assert.Contains("(CudaDriverTests.cs:", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
        if (CudaDevices.Backend == "cuda-sim")
        {
            Assert.Contains("fill_kernel", error.Message, StringComparison.Ordinal); // the driver of a GPU does not tell
        }

        Assert.Throws<BackendException>(other.Synchronize);
        Assert.Throws<BackendException>(() => memory.Span.Fill(0, other));
        Assert.Throws<BackendException>(() => device.CreateStream());
    }
}

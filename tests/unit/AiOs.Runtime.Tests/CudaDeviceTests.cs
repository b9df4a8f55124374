using AiOs.Interop;

namespace AiOs.Runtime.Tests;

/// <summary>What CUDA devices have beside what all have, on the simulator: several of them, and their driver's ways.</summary>
public sealed class CudaDeviceTests
{
    private const string Backend = "cuda-sim";

    [Fact]
    public void Devices_are_opened_by_number()
    {
        BackendProbe probe = Backends.Probe().Single(probe => probe.Name == Backend);
        Assert.True(probe.Available, probe.Problem);
        Assert.Equal(2, probe.Devices.Count);
        Assert.All(probe.Devices, info => Assert.Equal(("AiOs CUDA simulator", "sm_90", 132), (info.Name, info.Isa, info.Threads)));
        using Device second = Device.Open($"{Backend}:1");
        Assert.Equal($"{Backend}:1", second.Name);
        Assert.Equal((aios_dlpack_device_type.Cuda, 1), (second.Driver.InterchangeDevice.type, second.Driver.InterchangeDevice.id));
        Assert.Contains("there are 2", Assert.Throws<BackendException>(() => Device.Open($"{Backend}:2")).Message, StringComparison.Ordinal);
        Assert.Throws<BackendException>(() => Device.Open($"{Backend}:x"));
        Assert.Throws<BackendException>(() => Device.Open("cpu:1"));
        Assert.True(Backends.Exists("cuda:3"));
        Assert.False(Backends.Exists("cuda:"));
    }

    [Fact]
    public void Memory_is_copied_between_devices_in_the_order_of_both_streams()
    {
        using Device here = Device.Open($"{Backend}:0"), there = Device.Open($"{Backend}:1");
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
        using Device here = Device.Open($"{Backend}:0"), there = Device.Open($"{Backend}:1");
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
    public void An_unordered_read_sees_what_no_order_promised()
    {
        using Device device = Device.Open(Backend, new DeviceOptions { DetectRaces = false });
        using Stream first = device.CreateStream(), second = device.CreateStream();
        using DeviceMemory<int> memory = device.Allocate<int>(1, first);
        using PinnedMemory<int> seen = device.AllocatePinned<int>(1);
        int early = 0;
        for (int i = 1; i <= 100; i++)
        {
            memory.CopyFrom([-1], first);
            memory.Span.Fill((byte)i, first);
            second.Copy(seen.Pointer, memory.On(second), sizeof(int));
            device.Synchronize();
            early += seen.GetSpan()[0] == -1 ? 1 : 0;
        }

        Assert.InRange(early, 1, 99); // the simulator is there to show it
    }

    [Fact]
    public unsafe void What_a_kernel_refuses_is_the_error_of_its_stream_alone()
    {
        using Device device = Device.Open(Backend);
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
        using Device device = Device.Open(Backend);
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

    [Theory]
    [InlineData("saxpy", "saxpy")]
    [InlineData("_Z5saxpyPfPKffi", "saxpy")]
    [InlineData("_ZN4aios4cuda12_GLOBAL__N_113gather_kernelIfEEvPT_PKS3_PKixxxxNS0_6ReportE", "gather_kernel")]
    [InlineData("_Z9", "_Z9")]
    public void Kernels_are_named_as_their_source_names_them(string mangled, string name) => Assert.Equal(name, CudaNames.Demangle(mangled));
}

using AiOs.Interop;

namespace AiOs.Runtime.Tests;

public class DeviceTests
{
    [Fact]
    public void The_probe_says_what_was_found_where()
    {
        BackendProbe cpu = Assert.Single(Backends.Probe(), probe => probe.Name == "cpu");
        Assert.True(cpu.Available, cpu.Problem);
        Assert.True(File.Exists(cpu.LibraryPath));
        Assert.NotEmpty(cpu.Tried);
        DeviceInfo info = Assert.Single(cpu.Devices);
        Assert.True(info.Isa is "avx512bf16" or "avx512vnni" or "avx512" or "avx2vnni" or "avx2" or "neon" or "portable", info.Isa);
        Assert.InRange(info.Threads, 1, 1024);
        Assert.NotEmpty(info.Name);
    }

    [Fact]
    public void An_unknown_backend_is_refused_with_the_list_of_known_ones()
    {
        var error = Assert.Throws<BackendException>(() => Device.Open("abacus"));
        Assert.Contains("abacus", error.Message, StringComparison.Ordinal);
        Assert.Contains("cpu", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_thread_count_out_of_range_is_refused()
    {
        var error = Assert.Throws<BackendException>(() => Device.Open("cpu", new DeviceOptions { Threads = -1 }));
        Assert.Equal(aios_status.InvalidArgument, error.Status);
        Assert.Equal("aios_cpu_set_threads", error.Call);
    }

    [Fact]
    public void Data_survives_the_way_to_the_device_and_back()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        int[] values = Enumerable.Range(0, 10_000).ToArray();
        using DeviceMemory<int> first = device.Allocate<int>(values.Length, stream), second = device.Allocate<int>(values.Length, stream);
        first.CopyFrom(values, stream);
        second.Span.Fill(0xFF, stream);
        first.Span.Slice(100, 50).CopyTo(second.Span.Slice(7, 50), stream);
        int[] back = new int[60];
        second.CopyTo(back, stream);
        int[] expected = [.. Enumerable.Repeat(-1, 7), .. values[100..150], -1, -1, -1];
        Assert.Equal(expected, back);
    }

    [Fact]
    public void Copies_that_do_not_fit_are_refused()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        using DeviceMemory<int> memory = device.Allocate<int>(4, stream);
        Assert.Throws<ArgumentException>(() => memory.CopyFrom(new int[5], stream));
        Assert.Throws<ArgumentException>(() => memory.CopyTo(new int[5], stream));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.Span.Slice(2, 3).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.Span.Slice(-1, 1).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => device.Allocate<int>(-1, stream));
        Assert.Throws<ArgumentOutOfRangeException>(() => device.Allocate<int>(long.MaxValue / 2, stream));
    }

    [Fact]
    public async Task An_asynchronous_copy_brings_the_values()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        using PinnedMemory<float> pinned = device.AllocatePinned<float>(1 << 20);
        pinned.GetSpan().Fill(2.5f);
        using DeviceMemory<float> memory = device.Allocate<float>(1 << 20, stream);
        memory.CopyFrom(pinned, stream);
        float[] back = new float[1 << 20];
        await memory.CopyToAsync(back, stream, TestContext.Current.CancellationToken);
        Assert.All(back, value => Assert.Equal(2.5f, value));
        await memory.CopyToAsync(pinned.Memory[..10], stream, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_cancelled_copy_does_not_start()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        using DeviceMemory<float> memory = device.Allocate<float>(4, stream);
        memory.Span.Fill(0, stream);
        float[] back = [1, 1, 1, 1];
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await memory.CopyToAsync(back, stream, new CancellationToken(true)));
        stream.Synchronize();
        Assert.Equal([1, 1, 1, 1], back);
    }

    [Fact]
    public void Events_order_streams_and_measure_time()
    {
        using Device device = Device.Open();
        using Stream producer = device.CreateStream(), consumer = device.CreateStream();
        using DeviceMemory<byte> data = device.Allocate<byte>(64 << 20, producer);
        using DeviceMemory<byte> copy = device.Allocate<byte>(64 << 20, consumer);
        using Event start = device.CreateEvent(), done = device.CreateEvent(), never = device.CreateEvent();
        Assert.True(never.IsComplete);
        producer.Record(start);
        data.Span.Fill(7, producer);
        producer.Record(done);
        consumer.WaitFor(done);
        consumer.WaitFor(never);
        data.Span.CopyTo(copy.Span, consumer);
        byte[] back = new byte[64 << 20];
        copy.CopyTo(back, consumer);
        Assert.Equal(-1, back.AsSpan().IndexOfAnyExcept((byte)7));
        done.Synchronize();
        Assert.True(done.IsComplete);
        Assert.True(Event.ElapsedMilliseconds(start, done) > 0);
        Assert.Throws<BackendException>(() => Event.ElapsedMilliseconds(start, never));
        device.Synchronize();
        Assert.True(producer.IsIdle);
    }

    [Fact]
    public unsafe void Work_that_fails_names_the_reason_and_the_error_sticks_to_its_stream()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream(), other = device.CreateStream();
        using DeviceMemory<float> table = device.Allocate<float>(8, stream), rows = device.Allocate<float>(4, stream);
        using DeviceMemory<int> ids = device.Allocate<int>(2, stream);
        table.Span.Fill(0, stream);
        ids.CopyFrom([1, 77], stream);
        stream.Check(
            device.Kernels.aios_gather(
                stream.Handle, (void*)rows.Pointer, (void*)table.Pointer, (int*)ids.Pointer, 1, 4, 2, 2, aios_dtype.F32),
            "aios_gather");
        for (int i = 0; i < 2; i++)
        {
            var error = Assert.Throws<BackendException>(stream.Synchronize);
            Assert.Equal(aios_status.ExecutionFailed, error.Status);
            Assert.Contains("77", error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', error.Message);
        }

        Assert.Throws<BackendException>(() => stream.IsIdle);
        other.Synchronize();
    }

    [Fact]
    public unsafe void A_refused_launch_throws_at_once_with_the_providers_words()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        var error = Assert.Throws<BackendException>(() => stream.Check(
            device.Kernels.aios_fill(stream.Handle, null, -1, 0, aios_dtype.F32), "aios_fill"));
        Assert.Equal(aios_status.InvalidArgument, error.Status);
        Assert.Equal("aios_fill", error.Call);
        Assert.StartsWith("aios_fill: ", error.Message, StringComparison.Ordinal);
        stream.Synchronize();
    }

    [Fact]
    public void Using_what_was_disposed_throws()
    {
        Device device = Device.Open();
        Stream stream = device.CreateStream();
        DeviceMemory<int> memory = device.Allocate<int>(4, stream);
        Event recorded = device.CreateEvent();
        PinnedMemory<int> pinned = device.AllocatePinned<int>(4);
        recorded.Dispose();
        memory.Dispose();
        memory.Dispose();
        ((IDisposable)pinned).Dispose();
        stream.Dispose();
        stream.Dispose();
        Assert.Throws<ObjectDisposedException>(() => memory.Pointer);
        Assert.Throws<ObjectDisposedException>(() => recorded.IsComplete);
        Assert.Throws<ObjectDisposedException>(() => pinned.GetSpan().Length);
        Assert.Throws<ObjectDisposedException>(stream.Synchronize);
        Assert.Throws<ObjectDisposedException>(() => device.Allocate<int>(1, stream));
        device.Dispose();
        device.Dispose();
        Assert.Throws<ObjectDisposedException>(() => device.CreateStream());
    }

    [Fact]
    public void Pinned_memory_is_ordinary_memory()
    {
        using Device device = Device.Open();
        using PinnedMemory<short> pinned = device.AllocatePinned<short>(100);
        Assert.IsType<System.Buffers.IMemoryOwner<short>>(pinned, exactMatch: false);
        pinned.Memory.Span.Fill(3);
        Assert.Equal(100, pinned.Memory.Length);
        using System.Buffers.MemoryHandle handle = pinned.Memory[10..].Pin();
        Assert.Equal(3, pinned.GetSpan()[99]);
    }
}

namespace AiOs.Runtime.Tests;

/// <summary>Capture, replay and update of graphs; tests/native tests the machinery below in depth.</summary>
public class GraphTests
{
    [Fact]
    public void A_graph_runs_when_it_is_launched_and_every_time()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        using DeviceMemory<int> from = device.Allocate<int>(4, stream), to = device.Allocate<int>(4, stream);
        from.CopyFrom([1, 2, 3, 4], stream);
        to.CopyFrom([0, 0, 0, 0], stream);
        using Graph graph = Graph.Capture(stream, s =>
        {
            Assert.True(s.IsCapturing);
            from.Span.CopyTo(to.Span, s);
            from.Span.Slice(0, 2).Fill(0, s);
        });
        Assert.False(stream.IsCapturing);
        Assert.Equal([new GraphNode("copy", 0), new GraphNode("fill", 0)], graph.Nodes);
        Assert.Equal([0, 0, 0, 0], Read(to, stream));
        graph.Launch(stream);
        Assert.Equal([1, 2, 3, 4], Read(to, stream));
        graph.Launch(stream);
        Assert.Equal([0, 0, 3, 4], Read(to, stream));
        GraphReport report = graph.Report;
        Assert.Equal((2, 1, 1, 2L), (report.Nodes, report.Branches, report.Commands, report.Launches));
        Assert.True(report.LaunchTime > TimeSpan.Zero);
        Assert.StartsWith("2 nodes in 1 branch; ", report.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Nodes_get_other_addresses_and_numbers()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        using DeviceMemory<byte> first = device.Allocate<byte>(4, stream), second = device.Allocate<byte>(4, stream);
        first.Span.Fill(0, stream);
        second.Span.Fill(0, stream);
        using Graph graph = Graph.Capture(stream, s =>
        {
            first.Span.Fill(1, s);
            second.Span.Fill(2, s);
        });
        graph.Update(1, 1, s => first.Span.Slice(2, 2).Fill(9, s));
        graph.Launch(stream);
        Assert.Equal([1, 1, 9, 9], Read(first, stream));
        Assert.Equal([0, 0, 0, 0], Read(second, stream));
        var error = Assert.Throws<BackendException>(() => graph.Update(0, 1, s => first.Span.CopyTo(second.Span, s)));
        Assert.Contains("node 0 of the graph is fill and cannot become copy", error.Message, StringComparison.Ordinal);
        Assert.Throws<BackendException>(() => graph.Update(1, 2, _ => { }));
        Assert.Throws<InvalidOperationException>(() => graph.Update(0, 1, s => s.Enqueue(() => { })));
        Assert.False(stream.IsCapturing);
    }

    [Fact]
    public void Streams_that_wait_become_branches()
    {
        using Device device = Device.Open();
        using Stream main = device.CreateStream(), side = device.CreateStream();
        using Event fork = device.CreateEvent(), join = device.CreateEvent();
        using DeviceMemory<byte> memory = device.Allocate<byte>(4, main);
        using Graph graph = Graph.Capture(main, s =>
        {
            s.Record(fork);
            side.WaitFor(fork);
            memory.Span.Slice(0, 2).Fill(1, side);
            memory.Span.Slice(2, 2).Fill(2, s);
            side.Record(join);
            s.WaitFor(join);
            memory.Span.Slice(1, 2).Fill(3, s);
        });
        graph.Launch(side);
        Assert.Equal([1, 3, 3, 2], Read(memory, side));
        Assert.Equal([1, 0, 0], graph.Nodes.Select(node => node.Branch));
        var error = Assert.Throws<BackendException>(() => Graph.Capture(main, s =>
        {
            s.Record(fork);
            side.WaitFor(fork);
            memory.Span.Fill(1, side);
        }));
        Assert.Contains("was not joined", error.Message, StringComparison.Ordinal);
        main.Synchronize();
        side.Synchronize();
    }

    [Fact]
    public void What_must_run_now_cannot_be_captured()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        using DeviceMemory<int> memory = device.Allocate<int>(1, stream);
        var error = Assert.Throws<BackendException>(() => Graph.Capture(stream, s => memory.CopyTo(new int[1], s)));
        Assert.Contains("being captured", error.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => Graph.Capture(stream, _ => throw new InvalidDataException()));
        stream.Synchronize();
    }

    [Theory]
    [InlineData(1 << 10)]
    [InlineData(8 << 20)]
    public void Memory_of_a_recording_is_nobody_elses_before_the_graph_is_disposed(int bytes)
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream(), other = device.CreateStream();
        nint first = 0, second = 0;
        Graph graph = Graph.Capture(stream, s =>
        {
            using (DeviceMemory<byte> scratch = device.Allocate<byte>(bytes, s))
            {
                first = scratch.Pointer;
                scratch.Span.Fill(1, s);
            }

            using DeviceMemory<byte> again = device.Allocate<byte>(bytes, s);
            second = again.Pointer;
            again.Span.Fill(2, s);
        });
        Assert.Equal(first, second); // freed in the recording, used again in the recording
        graph.Launch(stream);
        device.Synchronize();
        device.Memory.Trim();
        var eager = new List<DeviceMemory<byte>>();
        for (int i = 0; i < 20; i++)
        {
            eager.Add(device.Allocate<byte>(bytes, i % 2 == 0 ? stream : other));
            Assert.True(
                Math.Abs(eager[^1].Pointer - first) >= bytes, $"block {i} at 0x{eager[^1].Pointer:x} lies in the graph's at 0x{first:x}");
        }

        graph.Launch(stream); // its pages are still there
        stream.Synchronize();
        eager.ForEach(memory => memory.Dispose());
        graph.Dispose();
        device.Synchronize();
        device.Memory.Trim();
        Assert.Equal(0, device.Memory.Statistics.AllocatedBytes);
        Assert.Equal(0, device.Memory.Statistics.ReservedBytes);
    }

    [Fact]
    public void What_was_recorded_can_be_read_after_a_launch()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        DeviceMemory<byte>? result = null;
        using Graph graph = Graph.Capture(stream, s =>
        {
            result = device.Allocate<byte>(4, s);
            result.Span.Fill(5, s);
        });
        graph.Launch(stream);
        Assert.Equal([5, 5, 5, 5], Read(result!, stream));
        result!.Dispose();
    }

    [Fact]
    public void Callbacks_of_a_graph_are_called_by_every_launch()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        int calls = 0;
        Graph graph = Graph.Capture(stream, s => s.Enqueue(() => calls++));
        for (int i = 0; i < 5; i++)
        {
            GC.Collect();
            graph.Launch(stream);
        }

        graph.Dispose();
        stream.Synchronize();
        Assert.Equal(5, calls);
        Assert.Throws<ObjectDisposedException>(() => graph.Launch(stream));
    }

    [Fact]
    public void A_graph_is_launched_on_its_device_and_varies_while_it_is_recorded()
    {
        using Device device = Device.Open(), another = Device.Open();
        using Stream stream = device.CreateStream(), elsewhere = another.CreateStream();
        using DeviceMemory<byte> memory = device.Allocate<byte>(4, stream);
        using Graph graph = Graph.Capture(stream, s => memory.Span.Fill(1, s));
        Assert.Throws<ArgumentException>(() => graph.Launch(elsewhere));
        Assert.Throws<InvalidOperationException>(() => graph.Vary(s => memory.Span.Fill(2, s)));
        graph.Refresh();
    }

    // Callbacks and memory of the outer recording would be the inner graph's, and go with it.
    [Fact]
    public void One_thread_records_one_graph_at_a_time()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream(), other = device.CreateStream();
        int calls = 0;
        using Graph graph = Graph.Capture(stream, s =>
        {
            Assert.Throws<InvalidOperationException>(() => Graph.Capture(other, _ => s.Enqueue(() => calls++)));
            s.Enqueue(() => calls += 10);
        });
        graph.Launch(stream);
        stream.Synchronize();
        other.Synchronize();
        Assert.Equal(10, calls);
    }

    [Fact]
    public void A_stream_that_is_disposed_while_it_is_captured_leaves_no_memory_behind()
    {
        using Device device = Device.Open();
        Stream stream = device.CreateStream();
        Assert.Throws<ObjectDisposedException>(() => Graph.Capture(stream, s =>
        {
            using (DeviceMemory<byte> memory = device.Allocate<byte>(8 << 20, s))
            {
                memory.Span.Fill(1, s);
            }

            s.Dispose();
        }));
        device.Memory.Trim();
        Assert.Equal(0, device.Memory.Statistics.ReservedBytes);
    }

    [Fact]
    public void What_waits_in_a_capture_has_waited_for_nothing()
    {
        using Device device = Device.Open(options: new DeviceOptions { DetectRaces = false });
        using Stream stream = device.CreateStream(), other = device.CreateStream();
        using Event begun = device.CreateEvent(), joined = device.CreateEvent();
        nint address;
        using (DeviceMemory<float> used = device.Allocate<float>(1 << 20, stream))
        {
            address = used.Pointer;
            used.Span.Fill(0, stream);
        }

        using Graph graph = Graph.Capture(stream, s =>
        {
            s.Record(begun);
            other.WaitFor(begun);
            other.Record(joined);
            s.WaitFor(joined);
        });
        using DeviceMemory<float> memory = device.Allocate<float>(1 << 20, other);
        Assert.NotEqual(address, memory.Pointer);
    }

    private static T[] Read<T>(DeviceMemory<T> memory, Stream stream)
        where T : unmanaged
    {
        var values = new T[memory.Length];
        memory.CopyTo(values, stream);
        return values;
    }
}

using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;
using AiOs.Interop;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime.Tests;

/// <summary>Traces and their JSON; the meter of the runtime.</summary>
[Collection("one at a time")] // a process records one trace
public class TraceTests
{
    [Fact]
    public void A_trace_has_a_track_per_stream_the_host_and_memory()
    {
        using Device device = Device.Open();
        using Stream first = device.CreateStream(new StreamOptions { Name = "first" }), second = device.CreateStream(new StreamOptions { Name = "second" });
        using DeviceMemory<byte> a = device.Allocate<byte>(1 << 16, first), b = device.Allocate<byte>(1 << 16, second);
        using Graph graph = Graph.Capture(second, s =>
        {
            b.Span.Fill(1, s);
            b.Span.Slice(0, 100).Fill(2, s);
        });
        using var source = new ActivitySource("AiOs.Test");
        using TraceSession session = TraceSession.Start(device);
        using (source.StartActivity("outer"))
        {
            using Activity? inner = source.StartActivity("inner");
            for (int i = 0; i < 20; i++)
            {
                a.Span.Fill((byte)i, first);
                graph.Launch(second);
            }

            device.Synchronize();
        }

        TraceLog log = Stop(session);
        Assert.Equal(0, log.Dropped);
        Assert.Throws<InvalidOperationException>(session.Stop);
        using JsonDocument json = Render(log);
        JsonElement[] events = [.. json.RootElement.GetProperty("traceEvents").EnumerateArray()];
        Dictionary<long, string> tracks = events
            .Where(e => Text(e, "name") == "thread_name" && Number(e, "pid") == 1)
            .ToDictionary(e => (long)Number(e, "tid"), e => e.GetProperty("args").GetProperty("name").GetString()!);
        Assert.Equal(["first", "second"], tracks.Values.Order());

        foreach (IGrouping<(double Process, double Track), JsonElement> track in events
            .Where(e => Text(e, "ph") == "X").GroupBy(e => (Number(e, "pid"), Number(e, "tid"))))
        {
            AssertNested([.. track]);
        }

        JsonElement[] device1 = [.. events.Where(e => Text(e, "ph") == "X" && Number(e, "pid") == 1)];
        Assert.Equal(20, device1.Count(e => tracks[(long)Number(e, "tid")] == "first" && Text(e, "name") == "fill"));
        Assert.Equal(20, device1.Count(e => tracks[(long)Number(e, "tid")] == "second" && Text(e, "name") == "graph"));
        Assert.Equal(40, device1.Count(e => tracks[(long)Number(e, "tid")] == "second" && Text(e, "name") == "fill"));
        JsonElement fill = device1.First(e => tracks[(long)Number(e, "tid")] == "first");
        Assert.Equal(1 << 16, fill.GetProperty("args").GetProperty("bytes").GetInt64());
        Assert.True(fill.GetProperty("args").GetProperty("queued_us").GetDouble() >= 0);

        // Each command of a stream was enqueued once, before it began; nodes of a graph were not enqueued.
        JsonElement[] enqueued = [.. events.Where(e => Text(e, "ph") == "i")];
        Assert.Equal(40, enqueued.Length);
        Assert.All(enqueued, e => Assert.Equal(2, Number(e, "pid")));
        JsonElement[] counters = [.. events.Where(e => Text(e, "ph") == "C")];
        Assert.NotEmpty(counters);
        Assert.All(counters, e => Assert.True(e.GetProperty("args").GetProperty("allocated").GetInt64() >= 2 << 16));
        Assert.Equal(
            ["graph launch", "inner", "outer"],
            events.Where(e => Text(e, "cat") == "host").Select(e => Text(e, "name")).Distinct().Order());
    }

    [Fact]
    public void What_there_is_no_room_for_is_counted()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        using DeviceMemory<byte> memory = device.Allocate<byte>(16, stream);
        using TraceSession session = TraceSession.Start(device, capacity: 5);
        Assert.Throws<BackendException>(() => TraceSession.Start(device));
        for (int i = 0; i < 12; i++)
        {
            memory.Span.Fill(1, stream);
        }

        stream.Synchronize();
        TraceLog log = Stop(session);
        Assert.Equal((5, 7L), (log.Records.Count, log.Dropped));
        using JsonDocument json = Render(log);
        Assert.Equal(7, json.RootElement.GetProperty("otherData").GetProperty("dropped").GetInt64());
        TraceSession.Start(device).Dispose();
    }

    [Fact]
    public unsafe void Commands_of_two_streams_come_in_their_order_within_the_time_of_the_host()
    {
        const int Rounds = 30;
        using Device device = Device.Open();
        using Stream first = device.CreateStream();
        using DeviceMemory<float> a = device.Allocate<float>(256, first), b = device.Allocate<float>(256, first);
        long before = Now();
        using TraceSession session = TraceSession.Start(device);
        using Stream second = device.CreateStream(); // which the trace learns of while it is recorded
        long gone;
        using (Stream third = device.CreateStream())
        {
            gone = third.Number;
            Launch(device, third, a);
            third.Synchronize();
        }

        for (int i = 0; i < Rounds; i++)
        {
            Launch(device, first, a);
            a.Span.Slice(0, 100).CopyTo(a.Span.Slice(100, 100), first);
            b.Span.Fill(1, second);
            Launch(device, second, b);
        }

        device.Synchronize();
        long after = Now();
        TraceLog log = Stop(session);
        string kernel = Device.DefaultName == "cpu" ? "aios_fill" : "fill_kernel";
        AssertOrder(log, gone, [kernel], before, after);
        AssertOrder(log, first.Number, [.. Enumerable.Repeat<string[]>([kernel, "copy"], Rounds).SelectMany(pair => pair)], before, after);
        AssertOrder(log, second.Number, [.. Enumerable.Repeat<string[]>(["fill", kernel], Rounds).SelectMany(pair => pair)], before, after);
        Assert.All(log.Records.Where(record => record.Name == "copy"), record => Assert.Equal(400, record.Bytes));
        Assert.NotEqual(0, Assert.Single(log.Records.Select(record => record.Thread).Distinct()));
        Assert.Equal(log.Records.Select(record => record.EndNs).Order(), log.Records.Select(record => record.EndNs));
    }

    [Fact]
    public void Nodes_of_a_graph_are_on_the_stream_of_the_launch_and_within_it()
    {
        const int Launches = 5;
        using Device device = Device.Open();
        using Stream first = device.CreateStream(), side = device.CreateStream();
        using DeviceMemory<byte> a = device.Allocate<byte>(1 << 16, first), b = device.Allocate<byte>(1 << 16, first);
        using Event fork = device.CreateEvent(), join = device.CreateEvent();
        using Graph graph = Graph.Capture(first, s =>
        {
            s.Record(fork);
            side.WaitFor(fork);
            a.Span.Fill(1, s);
            b.Span.Fill(2, side);
            side.Record(join);
            s.WaitFor(join);
            a.Span.CopyTo(b.Span, s);
        });
        using TraceSession session = TraceSession.Start(device);
        for (int i = 0; i < Launches; i++)
        {
            graph.Launch(side);
        }

        device.Synchronize();
        TraceLog log = Stop(session);
        Assert.All(log.Records, record => Assert.Equal(side.Number, record.Stream));
        TraceRecord[] launches = [.. log.Records.Where(record => record.Name == "graph")];
        // The CPU launches a piece for each branch and join, and a branch runs beside them.
        bool pieces = Device.DefaultName == "cpu";
        Assert.Equal(Launches * (pieces ? 3 : 1), launches.Length);
        Assert.All(launches, launch => Assert.InRange(launch.EnqueuedNs, 1, launch.StartNs));
        TraceRecord[] nodes = [.. log.Records.Where(record => record.Name != "graph").OrderBy(record => record.StartNs)];
        Assert.Equal(3 * Launches, nodes.Length);
        Assert.All(nodes, node => Assert.Equal((0L, 0L, 1L << 16), (node.Thread, node.EnqueuedNs, node.Bytes)));
        Assert.All(nodes.Where(node => !pieces || node.Branch == 0), node => Assert.Contains(launches, launch => launch.StartNs <= node.StartNs && node.EndNs <= launch.EndNs));
        long last = 0;
        foreach (TraceRecord[] launch in nodes.Chunk(3))
        {
            Assert.Equal(["fill", "fill", "copy"], launch.Select(node => node.Name));
            Assert.All(launch[..2], fill => Assert.InRange(fill.StartNs, last, fill.EndNs));
            Assert.All(launch[..2], fill => Assert.True(fill.EndNs <= launch[2].StartNs));
            last = launch[2].EndNs;
        }
    }

    [Fact]
    public void A_trace_is_recorded_again_and_again()
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        using DeviceMemory<byte> memory = device.Allocate<byte>(16, stream);
        for (int i = 0; i < 100; i++)
        {
            using TraceSession session = TraceSession.Start(device);
            for (int j = 0; j <= i; j++)
            {
                memory.Span.Fill(1, stream);
            }

            stream.Synchronize();
            if (i % 3 > 0) // the others are forgotten
            {
                Assert.Equal(i + 1, Stop(session).Records.Count);
            }
        }

        Assert.Equal(0, CudaTrace.Buffers);
        Assert.Throws<BackendException>(() => TraceSession.Start(device, 0));
    }

    [Fact]
    public void A_trace_is_of_one_device_and_has_the_copies_it_makes_to_others()
    {
        using Device here = Device.Open("cuda-sim:0"), there = Device.Open("cuda-sim:1");
        using Stream source = here.CreateStream(), target = there.CreateStream();
        using DeviceMemory<int> from = here.Allocate<int>(1000, source), to = there.Allocate<int>(1000, target);
        using TraceSession session = TraceSession.Start(here);
        to.Span.Fill(1, target);
        from.Span.Fill(2, source);
        from.Span.CopyTo(to.Span, source);
        to.Span.Fill(3, target);
        there.Synchronize();
        TraceLog log = Stop(session);
        Assert.Equal(
            [("fill", source.Number, 4000L), ("copy", source.Number, 4000L)], log.Records.Select(record => (record.Name, record.Stream, record.Bytes)));
    }

    /// <summary>On made-up records: their order, clocks that run at half the speed, streams of launches, side by side and no room.</summary>
    [Fact]
    public unsafe void Records_become_commands_with_the_times_and_streams_of_the_host()
    {
        const uint Here = 7, Queue = 20, Inner = 99;
        var kept = new CudaTraceRecords(5) { Context = Here };
        kept.AddStream(Queue, 5);
        var launch = new CUpti_ActivityExternalCorrelation
        {
            kind = CUpti_ActivityKind.ExternalCorrelation,
            externalKind = CUpti_ExternalCorrelationKind.Custom0,
            correlationId = 2,
            externalId = 6,
        };
        var call = new CUpti_ActivityAPI { kind = CUpti_ActivityKind.Runtime, correlationId = 1, start = 1500, threadId = 44 };
        // Constants are never moved.
        byte* name = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference("_ZN4aios11fill_kernelIfEEvPT_"u8));
        Kernel(Here, Queue, 1, 0, 2000, 3000);
        Kernel(Here + 1, Queue, 1, 0, 2000, 3000); // of another device
        Kernel(Here, Queue, 3, 0, 2000, 0); // without a time
        Kernel(Here, Inner, 2, 1, 3000, 5000);
        Kernel(Here, Inner, 2, 1, 4000, 6000);
        Kernel(Here, Inner, 2, 1, 5000, 5500);
        kept.Add((CUpti_Activity*)&launch);
        kept.Add((CUpti_Activity*)&call);
        Kernel(Here, Inner, 4, 0, 2500, 2600);
        Kernel(Here, Queue, 5, 0, 7000, 8000);

        Assert.Equal(
            [
                new TraceRecord("fill_kernel", 0, 0, 0, 0, 13_000, 13_200, 0),
                new TraceRecord("fill_kernel", 5, 0, 44, 11_000, 12_000, 14_000, 0),
                new TraceRecord("fill_kernel", 6, 0, 0, 0, 14_000, 18_000, 0),
                new TraceRecord("fill_kernel", 6, 0, 0, 0, 18_000, 19_000, 0),
                new TraceRecord("graph", 6, 0, 0, 0, 14_000, 20_000, 0),
                new TraceRecord("fill_kernel", 6, 1, 0, 0, 16_000, 20_000, 0),
            ],
            kept.ToCommands(new CudaTrace.ClockPair(10_000, 1000), new CudaTrace.ClockPair(30_000, 11_000)).OrderBy(record => record.EndNs));
        Assert.Equal(1, kept.Dropped);

        void Kernel(uint context, uint stream, uint call, uint graph, ulong start, ulong end)
        {
            var record = new CUpti_ActivityKernel9
            {
                kind = CUpti_ActivityKind.ConcurrentKernel,
                contextId = context,
                streamId = stream,
                correlationId = call,
                graphId = graph,
                start = start,
                end = end,
                name = name,
            };
            kept.Add((CUpti_Activity*)&record);
        }
    }

    [Fact]
    public void What_keeps_commands_away_is_said_in_the_trace()
    {
        using JsonDocument json = Render(new TraceLog("cuda", [], 0, new Dictionary<long, string>(), [], []) { Problem = "there is none" });
        Assert.Equal("there is none", json.RootElement.GetProperty("otherData").GetProperty("problem").GetString());
    }

    [Fact]
    public void The_meter_reads_the_memory_of_open_devices()
    {
        var seen = new List<(string Instrument, long Bytes, string? Device)>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Meter.Name == "AiOs.Runtime")
                {
                    l.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => seen.Add((instrument.Name, value, tags[0].Value as string)));
        listener.Start();
        using (Device device = Device.Open())
        {
            using Stream stream = device.CreateStream();
            using DeviceMemory<byte> memory = device.Allocate<byte>(3 << 20, stream);
            listener.RecordObservableInstruments();
            AllocatorStatistics now = device.Memory.Statistics;
            Assert.Contains(("aios.memory.allocated", now.AllocatedBytes, Device.DefaultName), seen);
            Assert.Contains(("aios.memory.reserved", now.ReservedBytes, Device.DefaultName), seen);
        }

        seen.Clear();
        listener.RecordObservableInstruments();
        Assert.Empty(seen);
    }

    /// <summary>Ends a trace of commands; where the machine's CUDA has no CUPTI there are none to look at.</summary>
    private static TraceLog Stop(TraceSession session)
    {
        TraceLog log = session.Stop();
        Assert.SkipWhen(log.Problem is not null && Device.DefaultName == "cuda", log.Problem ?? "");
        Assert.Null(log.Problem);
        return log;
    }

    private static unsafe void Launch(Device device, Stream stream, DeviceMemory<float> memory) =>
        device.Check(device.Kernels.aios_fill(stream.Handle, (void*)memory.Pointer, memory.Length, 1, aios_dtype.F32), "aios_fill");

    /// <summary>A stream has commands of these names, one after the other, each enqueued before it began.</summary>
    private static void AssertOrder(TraceLog log, long stream, string[] names, long before, long after)
    {
        TraceRecord[] records = [.. log.Records.Where(record => record.Stream == stream).OrderBy(record => record.StartNs)];
        Assert.Equal(names, records.Select(record => record.Name));
        long last = before;
        foreach (TraceRecord record in records)
        {
            Assert.InRange(record.EnqueuedNs, before, record.StartNs);
            Assert.InRange(record.StartNs, last, record.EndNs);
            last = record.EndNs;
        }

        Assert.InRange(last, before, after);
    }

    private static long Now() => TraceSession.Nanoseconds(Stopwatch.GetTimestamp());

    /// <summary>Slices of a track follow or enclose each other, in the order of the file.</summary>
    private static void AssertNested(JsonElement[] slices)
    {
        var open = new Stack<double>();
        double last = double.NegativeInfinity;
        foreach (JsonElement slice in slices)
        {
            double start = Number(slice, "ts"), end = start + Number(slice, "dur");
            Assert.True(start >= last, $"{Text(slice, "name")} at {start} comes after {last}");
            last = start;
            while (open.TryPeek(out double until) && until <= start + 0.0005)
            {
                open.Pop();
            }

            Assert.True(!open.TryPeek(out double enclosing) || end <= enclosing + 0.0005, $"{Text(slice, "name")} overlaps another");
            open.Push(end);
        }
    }

    private static JsonDocument Render(TraceLog log)
    {
        var buffer = new MemoryStream();
        ChromeTrace.Write(buffer, log);
        return JsonDocument.Parse(buffer.ToArray());
    }

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;

    private static double Number(JsonElement element, string name) => element.GetProperty(name).GetDouble();
}

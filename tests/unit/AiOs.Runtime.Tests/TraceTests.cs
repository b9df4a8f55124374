using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text.Json;

namespace AiOs.Runtime.Tests;

/// <summary>Traces and their JSON; the meter of the runtime.</summary>
[Collection("one at a time")] // a process records one trace
public class TraceTests
{
    private const string NoCommands = "on CUDA a trace has the host and the memory, and no commands (docs/design/cuda.md)";

    [Fact]
    public void A_trace_has_a_track_per_stream_the_host_and_memory()
    {
        Assert.SkipUnless(Device.DefaultName == "cpu", NoCommands);
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

        TraceLog log = session.Stop();
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
        Assert.SkipUnless(Device.DefaultName == "cpu", NoCommands);
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
        TraceLog log = session.Stop();
        Assert.Equal((5, 7L), (log.Records.Count, log.Dropped));
        using JsonDocument json = Render(log);
        Assert.Equal(7, json.RootElement.GetProperty("otherData").GetProperty("dropped").GetInt64());
        TraceSession.Start(device).Dispose();
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

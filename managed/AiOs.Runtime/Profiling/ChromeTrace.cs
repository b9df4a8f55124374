using System.Globalization;
using System.Text.Json;

namespace AiOs.Runtime;

/// <summary>
/// Writes a trace as the JSON that chrome://tracing and ui.perfetto.dev open ("Trace Event Format"): a track per stream
/// and branch of a graph, one per thread that enqueued, the host's activities, and counters of memory.
/// </summary>
public static class ChromeTrace
{
    private const int DeviceProcess = 1;
    private const int HostProcess = 2;
    private const int ActivityProcess = 3;

    /// <summary>Tracks of a stream: its own and those of branches.</summary>
    private const int TracksPerStream = 64;

    /// <summary>Writes a file.</summary>
    /// <param name="path">Where; an existing file is replaced.</param>
    /// <param name="log">The trace.</param>
    public static void Write(string path, TraceLog log)
    {
        using FileStream file = File.Create(path);
        Write(file, log);
    }

    /// <summary>Writes the document.</summary>
    /// <param name="output">Receives UTF-8.</param>
    /// <param name="log">The trace.</param>
    public static void Write(System.IO.Stream output, TraceLog log)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(log);
        using var json = new Utf8JsonWriter(output);
        json.WriteStartObject();
        json.WriteString("displayTimeUnit", "ms");
        json.WriteStartObject("otherData");
        json.WriteNumber("dropped", log.Dropped);
        if (log.Problem is not null)
        {
            json.WriteString("problem", log.Problem);
        }

        json.WriteEndObject();
        json.WriteStartArray("traceEvents");
        Names(json, log);

        // An enclosing launch before its nodes: both may begin in the same nanosecond.
        foreach (TraceRecord record in log.Records.OrderBy(r => r.StartNs).ThenByDescending(r => r.EndNs))
        {
            Command(json, record);
        }

        foreach (HostSpan span in log.Spans.OrderBy(s => s.StartNs).ThenByDescending(s => s.EndNs))
        {
            Begin(json, "X", span.Name, "host", ActivityProcess, span.Thread, span.StartNs);
            json.WriteNumber("dur", Microseconds(span.EndNs - span.StartNs));
            json.WriteEndObject();
        }

        foreach (MemorySample sample in log.Memory)
        {
            Begin(json, "C", "memory", "memory", DeviceProcess, 0, sample.TimeNs);
            json.WriteStartObject("args");
            json.WriteNumber("allocated", sample.AllocatedBytes);
            json.WriteNumber("unused", sample.ReservedBytes - sample.AllocatedBytes);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Names(Utf8JsonWriter json, TraceLog log)
    {
        Name(json, "process_name", DeviceProcess, 0, $"device {log.Device}");
        Name(json, "process_name", HostProcess, 0, "host: enqueued");
        Name(json, "process_name", ActivityProcess, 0, "host: activities");
        foreach ((long stream, int branch) in log.Records.Select(r => (r.Stream, r.Branch)).Distinct().Order())
        {
            string name = log.Streams.GetValueOrDefault(stream, string.Create(CultureInfo.InvariantCulture, $"stream {stream}"));
            Name(json, "thread_name", DeviceProcess, Track(stream, branch), branch == 0 ? name : $"{name}, branch {branch}");
        }

        foreach (long thread in log.Records.Where(r => r.EnqueuedNs != 0).Select(r => r.Thread).Distinct().Order())
        {
            Name(json, "thread_name", HostProcess, thread, string.Create(CultureInfo.InvariantCulture, $"thread {thread}"));
        }
    }

    private static void Command(Utf8JsonWriter json, in TraceRecord record)
    {
        string name = record.Name.Length == 0 ? "command" : record.Name;
        string category = record.Name is "copy" or "fill" or "graph" or "callback" ? record.Name : "op";
        long track = Track(record.Stream, record.Branch);
        Begin(json, "X", name, category, DeviceProcess, track, record.StartNs);
        json.WriteNumber("dur", Microseconds(record.EndNs - record.StartNs));
        if (record.Bytes > 0 || record.EnqueuedNs != 0)
        {
            json.WriteStartObject("args");
            if (record.Bytes > 0)
            {
                json.WriteNumber("bytes", record.Bytes);
            }

            if (record.EnqueuedNs != 0)
            {
                json.WriteNumber("queued_us", Microseconds(record.StartNs - record.EnqueuedNs));
            }

            json.WriteEndObject();
        }

        json.WriteEndObject();
        if (record.EnqueuedNs != 0)
        {
            Begin(json, "i", name, "enqueue", HostProcess, record.Thread, record.EnqueuedNs);
            json.WriteString("s", "t");
            json.WriteEndObject();
        }
    }

    private static long Track(long stream, int branch) => (stream * TracksPerStream) + branch + 1;

    private static double Microseconds(long nanoseconds) => nanoseconds / 1000.0;

    private static void Name(Utf8JsonWriter json, string what, int process, long track, string name)
    {
        Begin(json, "M", what, "__metadata", process, track, 0);
        json.WriteStartObject("args");
        json.WriteString("name", name);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Begin(Utf8JsonWriter json, string phase, string name, string category, int process, long track, long timeNs)
    {
        json.WriteStartObject();
        json.WriteString("ph", phase);
        json.WriteString("name", name);
        json.WriteString("cat", category);
        json.WriteNumber("pid", process);
        json.WriteNumber("tid", track);
        json.WriteNumber("ts", Microseconds(timeNs));
    }
}

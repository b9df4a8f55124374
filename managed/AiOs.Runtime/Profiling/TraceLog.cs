namespace AiOs.Runtime;

/// <summary>A recorded trace; <see cref="ChromeTrace"/> writes it to a file.</summary>
/// <param name="Device">Name of the device.</param>
/// <param name="Records">The commands, in the order in which they ended.</param>
/// <param name="Dropped">Commands that there was no room for.</param>
/// <param name="Streams">Names of the streams by their numbers.</param>
/// <param name="Spans">What the host did.</param>
/// <param name="Memory">The device's memory over time.</param>
public sealed record TraceLog(
    string Device,
    IReadOnlyList<TraceRecord> Records,
    long Dropped,
    IReadOnlyDictionary<long, string> Streams,
    IReadOnlyList<HostSpan> Spans,
    IReadOnlyList<MemorySample> Memory)
{
    /// <summary>
    /// Why the device's commands are missing, and what to do, in one line; null when they are there. The rest of the trace
    /// is complete either way.
    /// </summary>
    public string? Problem { get; init; }
}

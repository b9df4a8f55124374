using System.Globalization;

namespace AiOs.Bench.Memory;

/// <summary>One line of a trace.</summary>
/// <param name="Id">The block: 0 for the first of the trace, and so on.</param>
/// <param name="Bytes">Size when the block is allocated; -1 when it is freed.</param>
/// <param name="Stream">The stream that does it.</param>
internal readonly record struct TraceEvent(int Id, long Bytes, int Stream)
{
    public bool IsAllocation => Bytes >= 0;
}

/// <summary>
/// What a program asked an allocator for, in its order. As text it is one event per line, <c>alloc id bytes stream</c>
/// or <c>free id stream</c>; empty lines and what follows # are skipped. An id may be used again once it was freed.
/// </summary>
internal sealed class AllocationTrace
{
    /// <summary>Most bytes in use at one time that a trace may have: 4 TiB.</summary>
    private const long MostBytes = 1L << 42;

    private readonly List<TraceEvent> _events = [];
    private readonly List<long> _sizes = [];
    private readonly List<int> _streams = [];

    public AllocationTrace(string name) => Name = name;

    public string Name { get; }

    public IReadOnlyList<TraceEvent> Events => _events;

    /// <summary>Size of every block.</summary>
    public IReadOnlyList<long> Sizes => _sizes;

    /// <summary>One more than the greatest stream.</summary>
    public int Streams { get; private set; } = 1;

    /// <summary>Greatest sum of the sizes in use at one time.</summary>
    public long PeakBytes { get; private set; }

    private long AllocatedBytes { get; set; }

    /// <summary>The stream that allocated a block.</summary>
    public int StreamOf(int id) => _streams[id];

    /// <summary>Appends an allocation and returns its id.</summary>
    public int Allocate(long bytes, int stream = 0)
    {
        _events.Add(new TraceEvent(_sizes.Count, bytes, stream));
        _sizes.Add(bytes);
        _streams.Add(stream);
        Streams = Math.Max(Streams, stream + 1);
        AllocatedBytes += bytes;
        PeakBytes = Math.Max(PeakBytes, AllocatedBytes);
        return _sizes.Count - 1;
    }

    /// <summary>Appends the freeing of a block that is in use.</summary>
    public void Free(int id, int stream = 0)
    {
        _events.Add(new TraceEvent(id, -1, stream));
        Streams = Math.Max(Streams, stream + 1);
        AllocatedBytes -= _sizes[id];
    }

    /// <summary>Reads a trace.</summary>
    /// <exception cref="BenchInputException">The file cannot be read, or a line of it makes no sense; the message names the line.</exception>
    public static AllocationTrace Read(string path)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BenchInputException($"--trace: {e.Message}");
        }

        var trace = new AllocationTrace(Path.GetFileNameWithoutExtension(path));
        Dictionary<string, int> live = [];
        for (int i = 0; i < lines.Length; i++)
        {
            string[] words = lines[i].Split('#')[0].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 0 && Append(trace, live, words) is { } problem)
            {
                throw new BenchInputException($"{path}:{i + 1}: {problem}");
            }
        }

        return trace.Events.Count > 0 ? trace : throw new BenchInputException($"{path}: there is no event in it; use lines like 'alloc 1 4096 0'");
    }

    /// <summary>Writes the trace as <see cref="Read"/> takes it.</summary>
    public void Write(TextWriter writer)
    {
        foreach (TraceEvent e in _events)
        {
            writer.WriteLine(e.IsAllocation
                ? string.Create(CultureInfo.InvariantCulture, $"alloc {e.Id} {e.Bytes} {e.Stream}")
                : string.Create(CultureInfo.InvariantCulture, $"free {e.Id} {e.Stream}"));
        }
    }

    /// <summary>What is wrong with a line; null when it was appended.</summary>
    private static string? Append(AllocationTrace trace, Dictionary<string, int> live, string[] words)
    {
        const int MostStreams = 1024;
        bool allocates = words[0] == "alloc";
        if (words.Length != (allocates ? 4 : 3) || (!allocates && words[0] != "free"))
        {
            return $"'{string.Join(' ', words)}' is no event; use 'alloc id bytes stream' or 'free id stream'";
        }

        if (!int.TryParse(words[^1], NumberStyles.None, CultureInfo.InvariantCulture, out int stream) || stream >= MostStreams)
        {
            return $"'{words[^1]}' is no stream; use a number from 0 to {MostStreams - 1}";
        }

        if (!allocates)
        {
            if (!live.Remove(words[1], out int id))
            {
                return $"id {words[1]} is freed but not in use";
            }

            trace.Free(id, stream);
            return null;
        }

        if (!long.TryParse(words[2], NumberStyles.None, CultureInfo.InvariantCulture, out long bytes))
        {
            return $"'{words[2]}' is no size; use a number of bytes";
        }

        if (bytes > MostBytes - trace.AllocatedBytes)
        {
            return $"with {bytes} bytes more than {MostBytes >> 40} TiB are in use; no device has as many";
        }

        if (!live.TryAdd(words[1], trace.Sizes.Count))
        {
            return $"id {words[1]} is allocated but still in use";
        }

        trace.Allocate(bytes, stream);
        return null;
    }
}

using AiOs.Bench.Peers;
using AiOs.Runtime;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Bench.Measure;

/// <summary>What every case is given: the device, a stream, random values, and the peers.</summary>
internal sealed class BenchContext(Stream stream, BenchSettings settings, PeerLibraries peers, ILaunchTimer timer, Action<string> note)
{
    // Prime, so that tiling does not repeat values at the rows of a matrix.
    private const int Tile = 1_048_573;

    private float[]? _tile;

    /// <summary>The stream that everything runs on.</summary>
    public Stream Stream { get; } = stream;

    /// <summary>The device.</summary>
    public Device Device => Stream.Device;

    /// <summary>What was asked for.</summary>
    public BenchSettings Settings { get; } = settings;

    /// <summary>The libraries to measure beside ours; empty when they were not asked for.</summary>
    public PeerLibraries Peers { get; } = peers;

    /// <summary>Times launches on the stream.</summary>
    public ILaunchTimer Timer { get; } = timer;

    /// <summary>Notes in the report what was left out and why.</summary>
    public void Note(string text) => note(text);

    /// <summary>Random values in [-1, 1), the same in every run; <paramref name="seed"/> tells operands apart.</summary>
    public float[] Random(long count, int seed)
    {
        _tile ??= MakeTile();
        float[] values = GC.AllocateUninitializedArray<float>(checked((int)count));
        int from = (int)((uint)seed * 7919u % Tile);
        for (int to = 0; to < values.Length;)
        {
            int run = Math.Min(values.Length - to, Tile - from);
            _tile.AsSpan(from, run).CopyTo(values.AsSpan(to));
            to += run;
            from = 0;
        }

        return values;
    }

    private static float[] MakeTile()
    {
        float[] tile = new float[Tile];
        uint state = 1;
        for (int i = 0; i < tile.Length; i++)
        {
            state = (state * 1664525) + 1013904223;
            tile[i] = ((state >> 8) * (1f / (1 << 23))) - 1;
        }

        return tile;
    }
}

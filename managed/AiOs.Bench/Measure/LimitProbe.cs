using AiOs.Bench.Results;
using AiOs.Interop;
using AiOs.Runtime;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Bench.Measure;

/// <summary>Measures the machine's limits with <c>aios_probe</c>, on all workers of the device at once.</summary>
internal sealed unsafe class LimitProbe : ILimits
{
    /// <summary>Time that one measurement should take: long against waking the workers, short against drifting clocks.</summary>
    private const double Seconds = 3e-3;

    private const int OverviewRounds = 5;
    private const int WakingRuns = 20;
    private const int ChoiceRounds = 3;

    // The ways to do the same; the last stands for all.
    private static readonly aios_probe_kind[] Copies = [aios_probe_kind.Copy, aios_probe_kind.CopyStream];
    private static readonly aios_probe_kind[] Moves = [.. Copies, aios_probe_kind.CopyBlocks];
    private static readonly aios_probe_kind[] Triads = [aios_probe_kind.Triad, aios_probe_kind.TriadStream];

    private readonly Stream _stream;
    private readonly DeviceMemory<double> _result;
    private readonly DeviceMemory<byte> _buffer;
    private readonly Dictionary<(aios_probe_kind Kind, long Bytes), long> _passes = [];
    private readonly Dictionary<(aios_probe_kind Kind, long Bytes), aios_probe_kind> _fastest = [];

    public LimitProbe(Stream stream, long bytes)
    {
        _stream = stream;
        _result = stream.Device.Allocate<double>(2, stream);
        _buffer = stream.Device.Allocate<byte>(bytes, stream);
        stream.Fill(_buffer.Pointer, 0, bytes);
    }

    private DeviceInfo Info => _stream.Device.Info;

    private long L1 => Or(Info.L1Bytes, 32 << 10);

    private long L2 => Or(Info.L2Bytes, 512 << 10);

    private long L3 => Or(Info.L3Bytes, 16 << 20);

    /// <summary>The nearest memory in which the work's operands can stay between launches, shared out over the workers.</summary>
    public Level LevelOf(in Work work)
    {
        double own = work.Footprint / Info.Threads;
        return work.Cold ? Level.Dram
            : own <= L1 ? Level.L1
            : own <= L2 ? Level.L2
            : work.Footprint <= L3 ? Level.L3
            : Level.Dram;
    }

    /// <summary>
    /// The limits that bound a work, now. They are measured in as much memory as the work uses, because at the edge of a cache
    /// there is no speed of this level or of the next.
    /// </summary>
    public RoundLimits Measure(in Work work)
    {
        // Workers that have slept may share one processor until the system has moved one of them.
        _ = Rate(aios_probe_kind.FmaF32, 0);
        Traffic traffic = work.Traffic;
        long bytes = work.Cold ? _buffer.Length : Math.Clamp((long)work.Footprint, BytesOf(Level.L1), _buffer.Length);
        return new RoundLimits(
            work.Operations > 0 ? Rate(KindOf(work.Arithmetic), 0) : double.PositiveInfinity,
            Of(traffic.Read, [aios_probe_kind.Read]),
            Of(traffic.Copy, work.Moves ? Moves : Copies),
            Of(traffic.Triad, Triads),
            Of(traffic.Update, [aios_probe_kind.Update]));

        double Of(double moved, ReadOnlySpan<aios_probe_kind> kinds) =>
            moved > 0 ? Rate(Fastest(kinds, bytes), bytes) : double.PositiveInfinity;
    }

    /// <summary>All limits: medians of a few measurements.</summary>
    public IReadOnlyList<MeasuredLimit> Overview()
    {
        for (int i = 0; i < WakingRuns; i++)
        {
            _ = Rate(aios_probe_kind.FmaF32, 0);
        }

        List<MeasuredLimit> limits = [];
        foreach (aios_probe_kind kind in (ReadOnlySpan<aios_probe_kind>)[aios_probe_kind.FmaF32, aios_probe_kind.DotBf16, aios_probe_kind.DotI8])
        {
            Add(kind, 0, NameOf(kind), kind == aios_probe_kind.DotI8 ? "OP/s" : "FLOP/s");
        }

        foreach (Level level in Enum.GetValues<Level>())
        {
            string suffix = "_" + NameOf(level);
            Add(aios_probe_kind.Read, BytesOf(level), "read" + suffix, "B/s");
            Add(aios_probe_kind.Copy, BytesOf(level), "copy" + suffix, "B/s");
        }

        Add(aios_probe_kind.CopyStream, _buffer.Length, "copy_stream_dram", "B/s");
        Add(aios_probe_kind.Triad, _buffer.Length, "triad_dram", "B/s");
        Add(aios_probe_kind.TriadStream, _buffer.Length, "triad_stream_dram", "B/s");
        Add(aios_probe_kind.CopyBlocks, _buffer.Length, "copy_blocks_dram", "B/s");
        Add(aios_probe_kind.Update, _buffer.Length, "update_dram", "B/s");
        return limits;

        void Add(aios_probe_kind kind, long bytes, string name, string unit)
        {
            double[] rates = new double[OverviewRounds];
            for (int i = 0; i < rates.Length; i++)
            {
                rates[i] = Math.Max(Rate(kind, bytes), Rate(kind, bytes));
            }

            limits.Add(new MeasuredLimit(name, Statistics.Median(rates), unit));
        }
    }

    /// <summary>Name of the limit of an arithmetic.</summary>
    public string NameOf(Arithmetic arithmetic) => NameOf(KindOf(arithmetic));

    /// <summary>Name of a level: l1, l2, l3, dram.</summary>
    public static string NameOf(Level level) => level switch
    {
        Level.L1 => "l1",
        Level.L2 => "l2",
        Level.L3 => "l3",
        _ => "dram",
    };

    public void Dispose()
    {
        _result.Dispose();
        _buffer.Dispose();
    }

    private static long Or(long bytes, long unknown) => bytes > 0 ? bytes : unknown;

    private static string NameOf(aios_probe_kind kind) => kind switch
    {
        aios_probe_kind.FmaF32 => "fma_f32",
        aios_probe_kind.DotBf16 => "dot_bf16",
        _ => "dot_i8",
    };

    private static aios_probe_kind KindOf(Arithmetic arithmetic) => arithmetic switch
    {
        Arithmetic.BF16 => aios_probe_kind.DotBf16,
        Arithmetic.I8 => aios_probe_kind.DotI8,
        _ => aios_probe_kind.FmaF32,
    };

    /// <summary>The fastest of several ways to do the same in so much memory; found once.</summary>
    private aios_probe_kind Fastest(ReadOnlySpan<aios_probe_kind> kinds, long bytes)
    {
        if (!_fastest.TryGetValue((kinds[^1], bytes), out aios_probe_kind fastest))
        {
            fastest = kinds[0];
            double best = 0;
            for (int i = 0; i < kinds.Length * ChoiceRounds && kinds.Length > 1; i++)
            {
                aios_probe_kind kind = kinds[i % kinds.Length];
                double rate = Rate(kind, bytes);
                (best, fastest) = rate > best ? (rate, kind) : (best, fastest);
            }

            _fastest[(kinds[^1], bytes)] = fastest;
        }

        return fastest;
    }

    /// <summary>Memory that shows the speed of a level, in bytes over all workers.</summary>
    private long BytesOf(Level level) => level switch
    {
        Level.L1 => L1 / 2 * Info.Threads,
        Level.L2 => L2 / 2 * Info.Threads,
        Level.L3 => Math.Max(L3 / 4, 2 * L2 * Info.Threads),
        _ => _buffer.Length,
    };

    /// <summary>Operations or bytes per second.</summary>
    private double Rate(aios_probe_kind kind, long bytes)
    {
        if (!_passes.TryGetValue((kind, bytes), out long passes))
        {
            passes = 1;
            (double seconds, _) = Run(kind, bytes, passes);
            (seconds, _) = Run(kind, bytes, passes);
            passes = Math.Clamp((long)(Seconds / Math.Max(seconds, 1e-9)), 1, 1L << 40);
            (seconds, _) = Run(kind, bytes, passes);
            passes = Math.Max(1, (long)(passes * Math.Min(64, Seconds / Math.Max(seconds, 1e-9))));
            _passes[(kind, bytes)] = passes;
        }

        (double time, double count) = Run(kind, bytes, passes);
        return count / time;
    }

    private (double Seconds, double Count) Run(aios_probe_kind kind, long bytes, long passes)
    {
        _stream.Check(
            _stream.Device.Kernels.aios_probe(
                _stream.Handle, (double*)_result.Pointer, (void*)_buffer.Pointer, Math.Min(bytes, _buffer.Length), passes, kind),
            nameof(KernelTable.aios_probe));
        Span<double> result = stackalloc double[2];
        _result.CopyTo(result, _stream);
        return (result[0], result[1]);
    }
}

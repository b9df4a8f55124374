using AiOs.Bench.Results;
using AiOs.Interop;
using AiOs.Runtime;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Bench.Measure;

/// <summary>Measures the machine's limits with <c>aios_probe</c>, on all workers of the device at once.</summary>
internal sealed unsafe class LimitProbe : IDisposable
{
    /// <summary>Time that one measurement should take: long against waking the workers, short against drifting clocks.</summary>
    private const double Seconds = 3e-3;

    private const int OverviewRounds = 5;
    private const int WakingRuns = 20;

    private readonly Stream _stream;
    private readonly DeviceMemory<double> _result;
    private readonly DeviceMemory<byte> _buffer;
    private readonly Dictionary<(aios_probe_kind Kind, Level Level), long> _passes = [];
    private readonly Dictionary<Level, aios_probe_kind> _copies = [];

    public LimitProbe(Stream stream, long bytes)
    {
        _stream = stream;
        _result = stream.Device.Allocate<double>(2, stream);
        _buffer = stream.Device.Allocate<byte>(bytes, stream);
        stream.Fill(_buffer.Pointer, 0, bytes);
    }

    private DeviceInfo Info => _stream.Device.Info;

    /// <summary>Where operands of this many bytes stay between launches, shared out over the workers.</summary>
    public Level LevelOf(double bytes)
    {
        double own = bytes / Info.Threads;
        return own <= 0.75 * Or(Info.L1Bytes, 32 << 10) ? Level.L1
            : own <= 0.75 * Or(Info.L2Bytes, 512 << 10) ? Level.L2
            : bytes <= 0.75 * Or(Info.L3Bytes, 16 << 20) ? Level.L3
            : Level.Dram;
    }

    /// <summary>The limits that bound a work at a level, now.</summary>
    public RoundLimits Measure(in Work work, Level level)
    {
        // Workers that have slept may share one processor until the system has moved one of them.
        _ = Rate(aios_probe_kind.FmaF32, Level.L1);
        double operations = work.Operations > 0 ? Best(KindOf(work.Arithmetic), level) : double.PositiveInfinity;
        return work.Bytes > 0
            ? new RoundLimits(operations, Best(aios_probe_kind.Read, level), Best(CopyKind(level), level))
            : new RoundLimits(operations, double.PositiveInfinity, double.PositiveInfinity);
    }

    /// <summary>The better of two measurements: an interruption of a few milliseconds is no property of the machine.</summary>
    private double Best(aios_probe_kind kind, Level level) => Math.Max(Rate(kind, level), Rate(kind, level));

    /// <summary>All limits: medians of a few measurements.</summary>
    public IReadOnlyList<MeasuredLimit> Overview()
    {
        for (int i = 0; i < WakingRuns; i++)
        {
            _ = Rate(aios_probe_kind.FmaF32, Level.L1);
        }

        List<MeasuredLimit> limits = [];
        foreach (aios_probe_kind kind in (ReadOnlySpan<aios_probe_kind>)[aios_probe_kind.FmaF32, aios_probe_kind.DotBf16, aios_probe_kind.DotI8])
        {
            Add(kind, Level.L1, NameOf(kind), kind == aios_probe_kind.DotI8 ? "OP/s" : "FLOP/s");
        }

        foreach (Level level in Enum.GetValues<Level>())
        {
            string suffix = "_" + NameOf(level);
            Add(aios_probe_kind.Read, level, "read" + suffix, "B/s");
            Add(aios_probe_kind.Copy, level, "copy" + suffix, "B/s");
        }

        Add(aios_probe_kind.CopyStream, Level.Dram, "copy_stream_dram", "B/s");
        Add(aios_probe_kind.Triad, Level.Dram, "triad_dram", "B/s");
        Add(aios_probe_kind.TriadStream, Level.Dram, "triad_stream_dram", "B/s");
        return limits;

        void Add(aios_probe_kind kind, Level level, string name, string unit)
        {
            double[] rates = new double[OverviewRounds];
            for (int i = 0; i < rates.Length; i++)
            {
                rates[i] = Best(kind, level);
            }

            limits.Add(new MeasuredLimit(name, Statistics.Median(rates), unit));
        }
    }

    /// <summary>Name of the limit of an arithmetic.</summary>
    public static string NameOf(Arithmetic arithmetic) => NameOf(KindOf(arithmetic));

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

    /// <summary>The faster way to copy at a level; found once.</summary>
    private aios_probe_kind CopyKind(Level level)
    {
        if (!_copies.TryGetValue(level, out aios_probe_kind kind))
        {
            double plain = 0, stream = 0;
            for (int i = 0; i < 3; i++)
            {
                plain = Math.Max(plain, Rate(aios_probe_kind.Copy, level));
                stream = level == Level.Dram ? Math.Max(stream, Rate(aios_probe_kind.CopyStream, level)) : 0;
            }

            _copies[level] = kind = plain >= stream ? aios_probe_kind.Copy : aios_probe_kind.CopyStream;
        }

        return kind;
    }

    /// <summary>Operations or bytes per second.</summary>
    private double Rate(aios_probe_kind kind, Level level)
    {
        if (!_passes.TryGetValue((kind, level), out long passes))
        {
            passes = 1;
            (double seconds, _) = Run(kind, level, passes);
            (seconds, _) = Run(kind, level, passes);
            passes = Math.Clamp((long)(Seconds / Math.Max(seconds, 1e-9)), 1, 1L << 40);
            (seconds, _) = Run(kind, level, passes);
            passes = Math.Max(1, (long)(passes * Math.Min(64, Seconds / Math.Max(seconds, 1e-9))));
            _passes[(kind, level)] = passes;
        }

        (double time, double count) = Run(kind, level, passes);
        return count / time;
    }

    private (double Seconds, double Count) Run(aios_probe_kind kind, Level level, long passes)
    {
        long bytes = level switch
        {
            Level.L1 => Or(Info.L1Bytes, 32 << 10) / 2 * Info.Threads,
            Level.L2 => Or(Info.L2Bytes, 512 << 10) / 2 * Info.Threads,
            Level.L3 => Math.Max(Or(Info.L3Bytes, 16 << 20) / 2, 2 * Or(Info.L2Bytes, 512 << 10) * Info.Threads),
            _ => _buffer.Length,
        };
        _stream.Check(
            _stream.Device.Kernels.aios_probe(
                _stream.Handle, (double*)_result.Pointer, (void*)_buffer.Pointer, Math.Min(bytes, _buffer.Length), passes, kind),
            nameof(KernelTable.aios_probe));
        Span<double> result = stackalloc double[2];
        _result.CopyTo(result, _stream);
        return (result[0], result[1]);
    }
}

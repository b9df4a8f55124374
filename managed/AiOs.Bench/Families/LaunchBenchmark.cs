using AiOs.Bench.Measure;
using AiOs.Interop;

namespace AiOs.Bench.Families;

/// <summary>What a launch costs the managed side: enqueuing it, and waiting for one that does next to nothing.</summary>
internal sealed class LaunchBenchmark : IBenchmark
{
    public string Name => "launch";

    public ShapeSyntax Syntax { get; } = new("elements", 1);

    public IReadOnlyList<string> DTypes { get; } = ["f32"];

    public IReadOnlyList<string> DefaultShapes(string dtype) => ["1"];

    public IEnumerable<BenchmarkCase> Cases(BenchContext context, string dtype, BenchShape shape)
    {
        yield return new LaunchCase(context, roundTrip: false, shape.Extents[0]);
        yield return new LaunchCase(context, roundTrip: true, shape.Extents[0]);
    }
}

/// <summary>One launch of <c>aios_fill</c>.</summary>
internal sealed unsafe class LaunchCase(BenchContext context, bool roundTrip, long elements)
    : BenchmarkCase(context, roundTrip ? "launch_round_trip" : "launch_enqueue", "f32", elements.ToString(System.Globalization.CultureInfo.InvariantCulture))
{
    /// <summary>Launches between two waits: few enough that none waits for room in the stream's queue.</summary>
    private const int Burst = 256;

    private const float Value = 1.5f;

    private Operand? _out;

    public override Work Work => default;

    public override IReadOnlyList<Operand> Outputs => [_out!];

    public override void Prepare() => _out = Own(new Operand(Stream, aios_dtype.F32, elements));

    public override void Launch(int index) =>
        Stream.Check(Kernels.aios_fill(Stream.Handle, (void*)_out!.Pointer, elements, Value, aios_dtype.F32), nameof(KernelTable.aios_fill));

    public override void Check(Verdict verdict)
    {
        float[] result = _out!.Read();
        for (int i = 0; i < result.Length; i++)
        {
            verdict.Near("out", i, result[i], Value, 0);
        }
    }

    /// <summary>The enqueuing only, or each launch with the wait for it.</summary>
    public override double Time(int first, int launches)
    {
        long ticks = 0;
        for (int done = 0; done < launches;)
        {
            int burst = roundTrip ? 1 : Math.Min(Burst, launches - done);
            long start = System.Diagnostics.Stopwatch.GetTimestamp();
            for (int i = 0; i < burst; i++)
            {
                Launch(first);
            }

            if (roundTrip)
            {
                Stream.Synchronize();
            }

            ticks += System.Diagnostics.Stopwatch.GetTimestamp() - start;
            Stream.Synchronize();
            done += burst;
        }

        return (double)ticks / System.Diagnostics.Stopwatch.Frequency;
    }
}

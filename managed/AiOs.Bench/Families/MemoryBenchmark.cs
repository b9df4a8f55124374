using System.Globalization;
using AiOs.Bench.Measure;
using AiOs.Bench.Memory;
using AiOs.Bench.Results;

namespace AiOs.Bench.Families;

/// <summary>
/// The allocator: a pair of allocate and free that the caches serve, on one thread and on several; and traces, replayed on
/// the pool and, for comparison, on other policies.
/// </summary>
internal sealed class MemoryBenchmark : IBenchmark
{
    public string Name => "memory";

    public ShapeSyntax Syntax { get; } = new("bytes,threads", 2);

    public IReadOnlyList<string> DTypes { get; } = ["u8"];

    public IReadOnlyList<string> DefaultShapes(string dtype) => ["512,1", "65536,1", "1048576,1", "16777216,1", "65536,2"];

    public IEnumerable<BenchmarkCase> Cases(BenchContext context, string dtype, BenchShape shape)
    {
        if (context.Settings.AllocationTrace is null)
        {
            yield return new PairCase(context, shape.Extents[0], shape.Extents[1]);
        }
    }

    /// <summary>The traces: the one that was asked for, or those that come with the benchmark.</summary>
    public IEnumerable<BenchmarkCase> Others(BenchContext context)
    {
        AllocationTrace[] traces = context.Settings switch
        {
            { AllocationTrace: { } path } => [AllocationTrace.Read(path)],
            { Shapes: not null } => [],
            _ => [TrainingTrace.Record(), InferenceTrace.Create(), RandomTrace.Create(1), RandomTrace.Create(8)],
        };
        return traces.Select(trace => new TraceCase(context, trace));
    }
}

/// <summary>Allocates and frees blocks of one size, on threads that have a stream each.</summary>
internal sealed class PairCase(BenchContext context, long bytes, long threads)
    : BenchmarkCase(context, "allocate_free", "u8", string.Create(CultureInfo.InvariantCulture, $"{bytes},{threads}"))
{
    private Runtime.Stream[] _streams = [];

    public override Work Work => default;

    public override IReadOnlyList<Operand> Outputs => [];

    public override void Prepare() => _streams = [.. Enumerable.Range(0, (int)threads).Select(_ => Own(Device.CreateStream()))];

    public override void Launch(int index) => Pair(_streams[0]);

    public override void Check(Verdict verdict)
    {
        // Blocks that are in use together share nothing; one that was freed comes again.
        Runtime.Allocation a = Device.Memory.Allocate(bytes, _streams[0]), b = Device.Memory.Allocate(bytes, _streams[0]);
        verdict.That(Math.Abs((long)(a.Address - b.Address)) >= bytes, "two blocks in use share memory");
        Device.Memory.Free(b);
        Runtime.Allocation again = Device.Memory.Allocate(bytes, _streams[0]);
        verdict.That(again.Address == b.Address, "a freed block is not used again");
        Device.Memory.Free(again);
        Device.Memory.Free(a);
    }

    public override double Time(int first, int launches)
    {
        using var start = new Barrier(_streams.Length);
        double[] seconds = new double[_streams.Length];
        Thread[] helpers = [.. Enumerable.Range(1, _streams.Length - 1).Select(t => new Thread(() => Run(t)))];
        foreach (Thread helper in helpers)
        {
            helper.Start();
        }

        Run(0);
        foreach (Thread helper in helpers)
        {
            helper.Join();
        }

        return seconds.Max();

        void Run(int thread)
        {
            Runtime.Stream stream = _streams[thread];
            Pair(stream);
            start.SignalAndWait();
            long begin = System.Diagnostics.Stopwatch.GetTimestamp();
            for (int i = 0; i < launches; i++)
            {
                Pair(stream);
            }

            seconds[thread] = System.Diagnostics.Stopwatch.GetElapsedTime(begin).TotalSeconds;
        }
    }

    private void Pair(Runtime.Stream stream) => Device.Memory.Free(Device.Memory.Allocate(bytes, stream));
}

/// <summary>Replays a trace.</summary>
internal sealed class TraceCase(BenchContext context, AllocationTrace trace) : BenchmarkCase(context, "trace", "u8", trace.Name)
{
    public override Work Work => default;

    public override IReadOnlyList<Operand> Outputs => [];

    public override void Prepare()
    {
    }

    public override void Launch(int index)
    {
        var pool = new PoolPlacement(trace);
        foreach (TraceEvent e in trace.Events)
        {
            if (e.IsAllocation)
            {
                pool.Allocate(e.Id, e.Bytes, e.Stream);
            }
            else
            {
                pool.Free(e.Id, e.Stream);
            }
        }
    }

    public override void Check(Verdict verdict)
    {
        var pool = new PoolPlacement(trace);
        TraceOutcome outcome = TraceReplay.Check(trace, pool);
        verdict.That(outcome.Problem is null, outcome.Problem!);
    }

    public override BenchResult Complete(BenchResult result)
    {
        var pool = new PoolPlacement(trace);
        IPlacement[] policies = [pool, new PyTorchPolicy(), new FirstFit()];
        return result with
        {
            PeakAllocatedBytes = trace.PeakBytes,
            PeakReservedBytes = policies.ToDictionary(policy => policy.Name, policy => TraceReplay.Check(trace, policy).PeakReservedBytes),
        };
    }
}

using AiOs.Bench.Peers;
using AiOs.Bench.Results;

namespace AiOs.Bench.Measure;

/// <summary>
/// Measures one case: checks it, then takes rounds. A round measures the limits, ours, the limits again, and every peer, each
/// after an untimed run that wakes its threads; so ratios and shares compare what the machine was at that moment.
/// </summary>
internal sealed class CaseRunner(BenchContext context, ILimits limitsOf)
{
    private const int LeastRounds = 3;
    private const int MostLaunches = 20000;

    // Long enough for another library's threads to stop looking for work.
    private static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(3);

    /// <summary>Measures a case. The caller disposes it.</summary>
    public BenchResult Run(BenchmarkCase work)
    {
        work.Prepare();
        BenchResult result = new()
        {
            Op = work.Op,
            DType = work.DType,
            Shape = work.Shape,
            Backend = context.Device.Name,
            Threads = context.Device.Info.Threads,
            Correct = false,
            Peers = new Dictionary<string, double>(),
            Operations = work.Work.Operations,
            Bytes = work.Work.Bytes,
        };
        if (Problem(work) is { } problem)
        {
            return result with { Problem = problem };
        }

        Work counted = work.Work;
        Level level = limitsOf.LevelOf(counted);
        IReadOnlyList<PeerRun> peers = work.MakePeers();
        try
        {
            return work.Complete(Measure(work, counted, level, peers, result with { Correct = true }));
        }
        finally
        {
            foreach (PeerRun peer in peers)
            {
                peer.Dispose();
            }
        }
    }

    /// <summary>What is wrong with the result of one launch; null when it is right.</summary>
    private string? Problem(BenchmarkCase work)
    {
        work.Reset();
        work.Launch(0);
        if (context.Settings.Tamper)
        {
            foreach (Operand output in work.Outputs)
            {
                output.Clear();
            }
        }

        context.Stream.Synchronize();
        Verdict verdict = new();
        work.Check(verdict);
        return verdict.Problem;
    }

    private BenchResult Measure(BenchmarkCase work, in Work counted, Level level, IReadOnlyList<PeerRun> peers, BenchResult result)
    {
        Timed ours = new(work.Time);
        Timed[] others = [.. peers.Select(peer => new Timed(peer.Time))];
        double sample = ours.Calibrate(context.Settings.SampleSeconds);
        foreach (Timed other in others)
        {
            sample += other.Calibrate(context.Settings.SampleSeconds);
            Thread.Sleep(Quiet);
        }

        int rounds = (int)Math.Clamp(context.Settings.CaseSeconds / (2 * sample), LeastRounds, Math.Max(LeastRounds, context.Settings.Rounds));
        List<double> floors = [], limits = [];
        long allocated = 0;
        bool counts = counted.Operations > 0 || counted.Bytes > 0;
        bool arithmetic = false;
        DeviceConditions? before = DeviceConditions.Of(context.Device.ReadSensors());
        for (int round = 0; round < rounds; round++)
        {
            // Before and after: a machine whose speed drifts is then not compared with what it was or will be.
            RoundLimits limit = counts ? limitsOf.Measure(counted) : default;
            long start = GC.GetAllocatedBytesForCurrentThread();
            ours.Sample();
            allocated += GC.GetAllocatedBytesForCurrentThread() - start;
            if (counts)
            {
                limit = RoundLimits.Best(limit, limitsOf.Measure(counted));
                floors.Add(limit.Seconds(counted));
                arithmetic = limit.ArithmeticSeconds(counted) >= limit.MemorySeconds(counted);
                limits.Add(arithmetic ? limit.Operations : counted.Bytes / limit.MemorySeconds(counted));
            }

            foreach (Timed other in others)
            {
                other.Sample();
                Thread.Sleep(Quiet);
            }
        }

        double median = Statistics.Median(ours.Seconds);
        int best = others.Length == 0 ? -1 : Enumerable.Range(0, others.Length).MinBy(i => Statistics.Median(others[i].Seconds));
        return result with
        {
            Level = work.HasLevel ? LimitProbe.NameOf(level) : null,
            MedianUs = 1e6 * median,
            P10Us = 1e6 * Statistics.Quantile(ours.Seconds, 0.1),
            P90Us = 1e6 * Statistics.Quantile(ours.Seconds, 0.9),
            Gflops = counted.Operations > 0 ? 1e-9 * counted.Operations / median : null,
            Gbps = counted.Bytes > 0 ? 1e-9 * counted.Bytes / median : null,
            LimitShare = counts ? Statistics.Median([.. floors.Zip(ours.Seconds, (floor, time) => floor / time)]) : null,
            Limit = !counts ? null : arithmetic ? limitsOf.NameOf(counted.Arithmetic) : LimitProbe.NameOf(level),
            LimitSpread = counts ? Statistics.Spread(limits) : null,
            Peers = new SortedDictionary<string, double>(
                peers.Zip(others).ToDictionary(pair => pair.First.Name, pair => 1e6 * Statistics.Median(pair.Second.Seconds)), StringComparer.Ordinal),
            RatioToBestPeer = best < 0 ? null : Statistics.Median([.. others[best].Seconds.Zip(ours.Seconds, (theirs, time) => theirs / time)]),
            Rounds = rounds,
            ConditionsBefore = before,
            ConditionsAfter = DeviceConditions.Of(context.Device.ReadSensors()),
            AllocatedBytes = (double)allocated / ((double)rounds * 2 * ours.Launches),
        };
    }

    /// <summary>One side of the comparison: as many launches as make a sample, and the times of the samples.</summary>
    private sealed class Timed(Func<int, int, double> time)
    {
        private int _next = 1;

        public int Launches { get; private set; } = 1;

        /// <summary>Seconds per launch of every sample.</summary>
        public List<double> Seconds { get; } = [];

        /// <summary>Finds the number of launches, and returns the seconds that a sample takes.</summary>
        public double Calibrate(double sampleSeconds)
        {
            double one = Run();
            while (one * Launches < sampleSeconds && Launches < MostLaunches)
            {
                Launches = (int)Math.Min(MostLaunches, Math.Max(Launches * 2, 0.8 * sampleSeconds / Math.Max(1e-9, one)));
                one = Run() / Launches;
            }

            return one * Launches;
        }

        /// <summary>An untimed run that wakes the threads and fills the caches, then a timed one.</summary>
        public void Sample()
        {
            Run();
            Seconds.Add(Run() / Launches);
        }

        private double Run()
        {
            double seconds = time(_next, Launches);
            _next = (_next + Launches) & 0xFFFFFF;
            return seconds;
        }
    }
}

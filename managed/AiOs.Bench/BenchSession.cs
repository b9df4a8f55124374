using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using AiOs.Bench.Families;
using AiOs.Bench.Measure;
using AiOs.Bench.Memory;
using AiOs.Bench.Peers;
using AiOs.Bench.Results;
using AiOs.Interop;
using AiOs.Runtime;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Bench;

/// <summary>Is told how a run gets on.</summary>
public interface IBenchObserver
{
    /// <summary>The limits of the machine have been measured.</summary>
    void Begins(BenchMachine machine, IReadOnlyList<MeasuredLimit> limits);

    /// <summary>A case is done.</summary>
    void Completed(BenchResult result);

    /// <summary>A case was left out, or a figure is doubtful.</summary>
    void Noted(string note);
}

/// <summary>Runs benchmarks on a device.</summary>
public static class BenchSession
{
    private const long SimulatedFlush = 1 << 16;

    private static readonly IBenchmark[] Families =
    [
        new GemmBenchmark(),
        new QMatMulBenchmark(),
        new AttentionBenchmark(),
        new NormBenchmark(),
        new SoftmaxBenchmark(),
        new CrossEntropyBenchmark(),
        new AdamWBenchmark(),
        new CopyBenchmark(),
        new LaunchBenchmark(),
        new MemoryBenchmark(),
        new TrainBenchmark(),
    ];

    /// <summary>Names of all benchmarks.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Families.Select(family => family.Name), "all"];

    /// <summary>
    /// Finds the cases and refuses what cannot be read, before anything is opened or measured.
    /// </summary>
    /// <param name="settings">What is asked for.</param>
    /// <exception cref="BenchInputException">A name, an element type or a shape is wrong.</exception>
    public static void Validate(BenchSettings settings)
    {
        _ = Plan(settings);
        _ = settings.AllocationTrace is { } trace ? AllocationTrace.Read(trace) : null;
    }

    /// <summary>Measures.</summary>
    /// <param name="device">The device.</param>
    /// <param name="settings">What is asked for.</param>
    /// <param name="observer">Is told as it goes on.</param>
    /// <exception cref="BenchInputException">A name, an element type or a shape is wrong.</exception>
    /// <exception cref="AiOsException">The device failed.</exception>
    public static BenchReport Run(Device device, BenchSettings settings, IBenchObserver observer)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(observer);
        List<(IBenchmark Family, string DType, BenchShape Shape)> plan = Plan(settings);

        List<string> notes = [];
        List<BenchResult> results = [];
        bool host = device.Name == "cpu", simulated = device.Name.StartsWith("cuda-sim", StringComparison.Ordinal);
        settings = host ? settings : simulated ? ForSimulator(settings) : ForGpu(settings);
        using PeerLibraries peers = !settings.Peers || simulated ? PeerLibraries.None
            : host ? PeerLibraries.Open(device.Info)
            : PeerLibraries.OpenForGpu(notes.Add);
        BenchMachine machine = Describe(device, peers);
        using Stream stream = device.CreateStream();
        using ILaunchTimer timer = host ? new HostTimer(stream) : new DeviceTimer(stream, simulated ? SimulatedFlush : 2 * device.Info.L2Bytes);
        using ILimits probe = host ? new LimitProbe(stream, settings.ColdBytes) : new GpuLimits(stream, settings.ColdBytes);
        IReadOnlyList<MeasuredLimit> limits = probe.Overview();
        observer.Begins(machine, limits);
        notes.ForEach(observer.Noted);
        if (machine.LoadAverage > 0.5 * device.Info.Cores + 1)
        {
            Note(string.Create(CultureInfo.InvariantCulture, $"the load average is {machine.LoadAverage:F1} on {device.Info.Cores} processors: other programs take part"));
        }

        BenchContext context = new(stream, settings, peers, timer, Note);
        CaseRunner runner = new(context, probe);
        IEnumerable<(string Name, BenchmarkCase Work)> cases = plan.SelectMany(
            entry => entry.Family.Cases(context, entry.DType, entry.Shape).Select(work => (entry.Family.Name, work)));
        cases = cases.Concat(plan.Select(entry => entry.Family).Distinct().SelectMany(family => family.Others(context).Select(work => (family.Name, work))));
        foreach ((string name, BenchmarkCase work) in cases.GroupBy(entry => (entry.Work.Op, entry.Work.DType)).SelectMany(group => group))
        {
            RunCase(name, work);
        }

        foreach (IBenchmark family in plan.Select(entry => entry.Family).Distinct())
        {
            foreach (BenchResult derived in family.Derive(results).ToArray())
            {
                Add(derived);
            }
        }

        if (results.Count(r => r.IsNoisy) is > 0 and int noisy)
        {
            Note(string.Create(
                CultureInfo.InvariantCulture,
                $"the machine is noisy: in {noisy} of {results.Count} cases, marked ~, the limit itself moved by more than {100 * BenchResult.NoisySpread:F0} % between rounds"));
        }

        DeviceSensors after = device.ReadSensors();
        if (after.HeldBackBy() is { } reasons)
        {
            Note($"the device's clocks were held back at the end: {reasons}");
        }

        return new BenchReport(machine, limits, results, notes) { SensorsAfter = after };

        void RunCase(string name, BenchmarkCase work)
        {
            using BenchmarkCase running = work;
            try
            {
                Add(runner.Run(running) with { Benchmark = name });
            }
            catch (BackendException e) when (e.Status == aios_status.Unimplemented)
            {
                Note($"{running.Op} {running.DType} {running.Shape} is left out: {e.Message}");
            }
            catch (DeviceOutOfMemoryException e)
            {
                Note($"{running.Op} {running.DType} {running.Shape} is left out: {e.Message}");
            }
        }

        void Add(BenchResult result)
        {
            results.Add(result);
            observer.Completed(result);
        }

        void Note(string note)
        {
            notes.Add(note);
            observer.Noted(note);
        }
    }

    /// <summary>Shorter samples: the device's clock has no noise of other programs, and each launch is timed by itself.</summary>
    private static BenchSettings ForGpu(BenchSettings settings) => settings with { SampleSeconds = 5e-4, CaseSeconds = 0.3 };

    /// <summary>As little as runs everything once.</summary>
    private static BenchSettings ForSimulator(BenchSettings settings) =>
        settings with { SampleSeconds = 0, CaseSeconds = 0, ColdBytes = SimulatedFlush };

    private static List<(IBenchmark Family, string DType, BenchShape Shape)> Plan(BenchSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        IBenchmark[] chosen = settings.Benchmark == "all" ? Families : [.. Families.Where(family => family.Name == settings.Benchmark)];
        if (chosen.Length == 0)
        {
            throw new BenchInputException($"there is no benchmark '{settings.Benchmark}'; use one of {string.Join(", ", Names)}");
        }

        if (settings.AllocationTrace is not null && (settings.Benchmark != "memory" || settings.Shapes is not null))
        {
            throw new BenchInputException("an allocation trace goes with the benchmark memory, and without --shapes");
        }

        if (settings.Shapes is not null && chosen.Length > 1)
        {
            throw new BenchInputException("--shapes goes with one benchmark, not with all: each has shapes of its own");
        }

        List<(IBenchmark, string, BenchShape)> plan = [];
        foreach (IBenchmark family in chosen)
        {
            string[] types = settings.DType is { } wanted ? [.. family.DTypes.Where(dtype => dtype == wanted)] : [.. family.DTypes];
            if (types.Length == 0 && chosen.Length == 1)
            {
                throw new BenchInputException(family.DTypes is [string only]
                    ? $"--dtype {settings.DType}: {family.Name} has no element types but {only}; leave --dtype out"
                    : $"--dtype {settings.DType}: {family.Name} has {string.Join(", ", family.DTypes)}");
            }

            foreach (string dtype in types)
            {
                foreach (string shape in settings.Shapes is { } text ? ShapeText.Split(text) : family.DefaultShapes(dtype))
                {
                    plan.Add((family, dtype, family.Syntax.Parse(shape)));
                }
            }
        }

        return plan.Count > 0
            ? plan
            : throw new BenchInputException($"--dtype {settings.DType}: no benchmark has it; use one of {string.Join(", ", Families.SelectMany(family => family.DTypes).Distinct())}");
    }

    private static BenchMachine Describe(Device device, PeerLibraries peers) => new(
        device.Info.Name.Trim(), device.Info.Isa, device.Info.Threads, device.Name, DateTimeOffset.Now,
        $"{RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}",
        typeof(BenchSession).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown",
        peers.Descriptions, LoadAverage())
    {
        Sensors = device.ReadSensors(),
    };

    private static double? LoadAverage()
    {
        try
        {
            return double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            return null;
        }
    }
}

using System.Text.Json.Serialization;
using AiOs.Runtime;

namespace AiOs.Bench.Results;

/// <summary>What was measured of one op at one shape. Times are per launch.</summary>
public sealed record BenchResult
{
    /// <summary>The benchmark that it belongs to: one of <see cref="BenchSession.Names"/>.</summary>
    public string Benchmark { get; init; } = string.Empty;

    /// <summary>The op, such as <c>gemm</c> or <c>layernorm_backward</c>.</summary>
    public required string Op { get; init; }

    /// <summary>The backend that ran it.</summary>
    public required string Backend { get; init; }

    /// <summary>Element type, such as <c>f32</c>.</summary>
    [JsonPropertyName("dtype")]
    public required string DType { get; init; }

    /// <summary>The shape, as <c>--shapes</c> takes it.</summary>
    public required string Shape { get; init; }

    /// <summary>Worker threads.</summary>
    public required int Threads { get; init; }

    /// <summary>Where the operands were: <c>l1</c>, <c>l2</c>, <c>l3</c> or <c>dram</c>; null for what has no operands to speak of.</summary>
    public string? Level { get; init; }

    /// <summary>Median time of one launch in microseconds; null when the result was wrong, which is then not timed.</summary>
    public double? MedianUs { get; init; }

    /// <summary>The tenth percentile of the rounds, in microseconds.</summary>
    public double? P10Us { get; init; }

    /// <summary>The ninetieth percentile of the rounds, in microseconds.</summary>
    public double? P90Us { get; init; }

    /// <summary>Arithmetic of the op in 10^9 operations per second (a multiply-add is two); null when it is not counted.</summary>
    public double? Gflops { get; init; }

    /// <summary>Memory the op must read and write at least, in 10^9 bytes per second; null when it is not counted.</summary>
    public double? Gbps { get; init; }

    /// <summary>
    /// Least time that the machine's limits allow, over the time it took: the median over rounds, each with the limits measured
    /// in that round. 1 is the limit. Null for what no limit is known of.
    /// </summary>
    public double? LimitShare { get; init; }

    /// <summary>The limit that bounds it, such as <c>fma_f32</c> or <c>dram</c>.</summary>
    public string? Limit { get; init; }

    /// <summary>Whether the result agreed with the binary64 reference before it was timed.</summary>
    public required bool Correct { get; init; }

    /// <summary>What the check found when the result was wrong; null otherwise.</summary>
    public string? Problem { get; init; }

    /// <summary>Median time in microseconds of every other library that computed the same.</summary>
    public required IReadOnlyDictionary<string, double> Peers { get; init; }

    /// <summary>
    /// Time of the fastest peer over our time: the median over rounds. Above 1 we are faster. Null without a peer.
    /// </summary>
    public double? RatioToBestPeer { get; init; }

    /// <summary>Rounds that were measured.</summary>
    public int Rounds { get; init; }

    /// <summary>Managed bytes allocated per launch.</summary>
    public double AllocatedBytes { get; init; }

    /// <summary>Spread of the limit over the rounds: (greatest - least) / median. A noisy machine shows here.</summary>
    public double? LimitSpread { get; init; }

    /// <summary>How the device was before the first round; null where it does not say.</summary>
    public DeviceConditions? ConditionsBefore { get; init; }

    /// <summary>How the device was right after the last round; null where it does not say.</summary>
    public DeviceConditions? ConditionsAfter { get; init; }

    /// <summary>Operations of one launch; 0 when they are not counted.</summary>
    public double Operations { get; init; }

    /// <summary>Bytes that one launch must read and write at least; 0 when they are not counted.</summary>
    public double Bytes { get; init; }

    /// <summary>Greatest sum of the sizes in use of an allocation trace, in bytes; null for everything else.</summary>
    public long? PeakAllocatedBytes { get; init; }

    /// <summary>
    /// Greatest number of bytes that each allocation policy took from the device for the trace: <c>aios</c>, <c>pytorch</c>
    /// and <c>first_fit</c>; null for everything else.
    /// </summary>
    public IReadOnlyDictionary<string, long>? PeakReservedBytes { get; init; }

    /// <summary>Share of its peak reservation that a policy had no use for: what it reserved beyond the peak in use.</summary>
    /// <param name="policy">A key of <see cref="PeakReservedBytes"/>.</param>
    public double UnusedShare(string policy) => 1 - (double)PeakAllocatedBytes!.Value / PeakReservedBytes![policy];

    /// <summary>A limit that moves by more than this share within a case makes its figures doubtful.</summary>
    public const double NoisySpread = 0.15;

    /// <summary>Whether the limit moved so much that the figures are doubtful.</summary>
    [JsonIgnore]
    public bool IsNoisy => LimitSpread > NoisySpread;

    /// <summary>The name that a baseline finds it by.</summary>
    [JsonIgnore]
    public string Key => $"{Op} {DType} {Shape}";
}

/// <summary>A limit of the machine as measured before the benchmarks.</summary>
/// <param name="Name">Name, such as <c>fma_f32</c> or <c>read_l2</c>.</param>
/// <param name="Rate">Median in operations or bytes per second.</param>
/// <param name="Unit"><c>FLOP/s</c>, <c>OP/s</c> or <c>B/s</c>.</param>
public sealed record MeasuredLimit(string Name, double Rate, string Unit);

/// <summary>Where, when and how results were taken.</summary>
/// <param name="Processor">Name of the device.</param>
/// <param name="Isa">Instruction set of the kernels.</param>
/// <param name="Threads">Worker threads.</param>
/// <param name="Backend">The backend.</param>
/// <param name="Taken">When the run began.</param>
/// <param name="System">Operating system and runtime.</param>
/// <param name="Version">Version of AiOs.Native.</param>
/// <param name="Peers">Libraries that were measured beside it, with version and settings.</param>
/// <param name="LoadAverage">The system's load average over a minute when the run began; null when unknown.</param>
public sealed record BenchMachine(
    string Processor,
    string Isa,
    int Threads,
    string Backend,
    DateTimeOffset Taken,
    string System,
    string Version,
    IReadOnlyList<string> Peers,
    double? LoadAverage)
{
    /// <summary>What a reader of the figures has to know before all else; null when there is nothing.</summary>
    public string? Warning => Backend.StartsWith("cuda-sim", StringComparison.Ordinal) ? "simulated: no figure is a measurement" : null;

    /// <summary>How the device was when the run began, and what driver it has; empty where it does not say.</summary>
    public DeviceSensors Sensors { get; init; } = new();
}

/// <summary>A whole run.</summary>
/// <param name="Machine">Where, when and how.</param>
/// <param name="Limits">The machine's limits.</param>
/// <param name="Results">One entry per case.</param>
/// <param name="Notes">What was left out and why, and warnings.</param>
public sealed record BenchReport(
    BenchMachine Machine,
    IReadOnlyList<MeasuredLimit> Limits,
    IReadOnlyList<BenchResult> Results,
    IReadOnlyList<string> Notes)
{
    /// <summary>How the device was when the last case was done; empty where it does not say.</summary>
    public DeviceSensors SensorsAfter { get; init; } = new();

    /// <summary>The driver, and how the device was before and after the run, as sentences; empty where it does not say.</summary>
    internal string Conditions
    {
        get
        {
            string[] sentences =
            [
                .. Machine.Sensors.DriverVersion is { } driver ? [$"Driver {driver}."] : Array.Empty<string>(),
                .. DeviceConditions.Describe(Machine.Sensors) is { } before ? [$"The device before the run: {before}."] : Array.Empty<string>(),
                .. DeviceConditions.Describe(SensorsAfter) is { } after ? [$"After it: {after}."] : Array.Empty<string>(),
            ];
            return string.Join(' ', sentences);
        }
    }
}

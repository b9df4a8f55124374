using System.Globalization;
using AiOs.Bench.Results;
using AiOs.Runtime;

namespace AiOs.Bench.Report;

/// <summary>Results as lines of at most 80 columns, one after the other as they come.</summary>
public sealed class ResultTable(TextWriter writer) : IBenchObserver
{
    private const int Columns = 80;
    private const int ShapeWidth = 24;

    private const double MiB = 1 << 20;

    private string? _group;

    /// <inheritdoc/>
    public void Begins(BenchMachine machine, IReadOnlyList<MeasuredLimit> limits)
    {
        ArgumentNullException.ThrowIfNull(machine);
        ArgumentNullException.ThrowIfNull(limits);
        writer.WriteLine(Fit($"{machine.Processor}, {machine.Isa}, {machine.Threads} {Backends.Workers(machine.Backend)}"));
        if (machine.Warning is { } warning)
        {
            writer.WriteLine(Fit(warning));
        }

        if (DeviceConditions.Describe(machine.Sensors) is { } conditions)
        {
            Wrap("device:", conditions.Split(' ').Select(word => " " + word));
        }

        foreach (string peer in machine.Peers)
        {
            writer.WriteLine(Fit($"peer: {peer}"));
        }

        Wrap("limits:", limits.Select(limit => "  " + Show(limit)));
    }

    /// <inheritdoc/>
    public void Completed(BenchResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        string group = $"{result.Op} {result.DType}";
        if (group != _group)
        {
            bool arithmetic = result.Operations > 0;
            _group = group;
            writer.WriteLine();
            writer.WriteLine(group);
            writer.WriteLine(Line("shape", "level", "us", "+-", arithmetic ? "GFLOP/s" : "GB/s", "limit", "best peer", "ratio"));
        }

        writer.WriteLine(Row(result));
        if (result.PeakReservedBytes is { } reserved)
        {
            Wrap("  peak", [Amount($" {result.PeakAllocatedBytes / MiB:N1} MiB in use;"), " reserved (unused):", .. reserved.Keys.Select(
                policy => Amount($" {policy} {reserved[policy] / MiB:N1} ({100 * result.UnusedShare(policy):F1} %)"))]);
        }

        writer.Flush();
    }

    /// <inheritdoc/>
    public void Noted(string note) => Wrap("!", note.Split(' ').Select(word => " " + word));

    /// <summary>One result as a line.</summary>
    internal static string Row(BenchResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        if (result.MedianUs is not { } median)
        {
            return Fit($"{result.Shape,-ShapeWidth} WRONG: {result.Problem}");
        }

        string peer = result.RatioToBestPeer is null ? "" : result.Peers.MinBy(p => p.Value).Key;
        double spread = (result.P90Us!.Value - result.P10Us!.Value) / 2 / median;
        double? rate = result.Gflops ?? result.Gbps;

        // A shape that is too long has a line of its own.
        string above = result.Shape.Length > ShapeWidth ? result.Shape + Environment.NewLine : "";
        return above + Line(
            above.Length > 0 ? "" : result.Shape, result.Level ?? "", Number(median, median >= 1e6 ? "F0" : median >= 1000 ? "N0" : median < 10 ? "F3" : "N1"), Number(100 * spread, "F0") + (spread < 0.995 ? " %" : "%"),
            rate is { } r ? Number(r, "N1") : "", result.LimitShare is { } share ? (result.IsNoisy ? "~" : "") + Number(100 * share, "F0") + " %" : "",
            peer, result.RatioToBestPeer is { } ratio ? Number(ratio, "F2") : "");
    }

    /// <summary>Writes parts on as many lines as they need; further lines are indented like the first.</summary>
    private void Wrap(string first, IEnumerable<string> parts)
    {
        string line = first;
        foreach (string part in parts)
        {
            if (line.Length + part.Length > Columns)
            {
                writer.WriteLine(line);
                line = new string(' ', first.Length);
            }

            line += part;
        }

        writer.WriteLine(line);
    }

    private static string Line(string shape, string level, string median, string spread, string rate, string limit, string peer, string ratio) =>
        $"{shape,-ShapeWidth}{level,5}{median,9}{spread,5}{rate,9}{limit,7} {Cut(peer, 14),-14}{ratio,6}".TrimEnd();

    private static string Cut(string text, int width) => text.Length <= width ? text : text[..width];

    private static string Fit(string text) => Cut(text, Columns);

    private static string Show(MeasuredLimit limit) =>
        limit.Name + " " + Number(1e-9 * limit.Rate, "N0") + (limit.Unit == "B/s" ? " GB/s" : " G" + limit.Unit);

    private static string Amount(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}

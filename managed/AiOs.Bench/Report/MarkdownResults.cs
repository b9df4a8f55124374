using System.Globalization;
using System.Text;
using AiOs.Bench.Results;
using AiOs.Runtime;

namespace AiOs.Bench.Report;

/// <summary>Writes a run as Markdown, one file per benchmark family, in a directory named after the processor.</summary>
public static class MarkdownResults
{
    /// <summary>Writes the files; those of benchmarks that were not run stay.</summary>
    /// <param name="directory">Directory of all processors.</param>
    /// <param name="report">The run.</param>
    /// <param name="command">The command line that took it.</param>
    /// <returns>The paths.</returns>
    public static IReadOnlyList<string> Write(string directory, BenchReport report, string command)
    {
        ArgumentNullException.ThrowIfNull(report);
        string folder = Path.Combine(directory, FolderOf(report.Machine));
        Directory.CreateDirectory(folder);
        List<string> paths = [];
        foreach (IGrouping<string, BenchResult> family in report.Results.GroupBy(result => result.Benchmark))
        {
            string path = Path.Combine(folder, family.Key + ".md");
            File.WriteAllText(path, Render(family.Key, [.. family], report, command));
            paths.Add(path);
        }

        return paths;
    }

    /// <summary>The folder of a processor, such as <c>amd-epyc-avx512bf16-2</c>.</summary>
    internal static string FolderOf(BenchMachine machine)
    {
        string name = $"{machine.Processor} {machine.Isa} {machine.Threads}";
        IEnumerable<string> words = new string([.. name.ToLowerInvariant().Select(c => char.IsAsciiLetterOrDigit(c) ? c : ' ')])
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return string.Join('-', words);
    }

    /// <summary>One file.</summary>
    internal static string Render(string family, IReadOnlyList<BenchResult> results, BenchReport report, string command)
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"# {family}\n\n");
        if (report.Machine.Warning is { } warning)
        {
            text.Append(CultureInfo.InvariantCulture, $"**{warning}**\n\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"`{command}`, {report.Machine.Taken:yyyy-MM-dd HH:mm} UTC{report.Machine.Taken:zzz}, AiOs.Native {report.Machine.Version}. ");
        text.Append(CultureInfo.InvariantCulture, $"{report.Machine.Processor}, kernels {report.Machine.Isa}, {report.Machine.Threads} {Backends.Workers(report.Machine.Backend)}, {report.Machine.System}.");
        foreach (string peer in report.Machine.Peers)
        {
            text.Append(CultureInfo.InvariantCulture, $" Peer: {peer}.");
        }

        if (report.Conditions is { Length: > 0 } conditions)
        {
            text.Append("\n\n").Append(conditions);
        }

        text.Append("\n\nLimits before the run: ");
        text.AppendJoin(", ", report.Limits.Select(l => string.Create(CultureInfo.InvariantCulture, $"{l.Name} {1e-9 * l.Rate:N0} G{l.Unit}")));
        text.Append(".\n\nMedians over interleaved rounds; *limit* and *ratio* compare what was measured in the same round, a ratio above 1 means that\n"
            + "we are faster than the fastest peer, and ~ marks cases in which the limit itself moved by more than 15 %. docs/benchmarks.md\n"
            + "says more.\n");
        foreach (IGrouping<(string Op, string DType), BenchResult> group in results.GroupBy(result => (result.Op, result.DType)))
        {
            string[] peers = [.. group.SelectMany(result => result.Peers.Keys).Distinct()];
            text.Append(CultureInfo.InvariantCulture, $"\n## {group.Key.Op} {group.Key.DType}\n\n");
            text.Append("| shape | from | µs | 10-90 % | GFLOP/s | GB/s | limit |");
            text.AppendJoin(string.Empty, peers.Select(peer => $" {peer} µs |"));
            text.Append(peers.Length > 0 ? " ratio |\n" : "\n");
            text.Append("|---").Append(string.Concat(Enumerable.Repeat("|---:", 6 + peers.Length + (peers.Length > 0 ? 1 : 0)))).Append("|\n");
            foreach (BenchResult result in group)
            {
                AppendRow(text, result, peers);
            }

            BenchResult[] traces = [.. group.Where(result => result.PeakReservedBytes is not null)];
            if (traces.Length > 0)
            {
                AppendReserved(text, traces);
            }
        }

        string[] notes = [.. report.Notes.Where(note => results.Any(result => note.StartsWith(result.Op, StringComparison.Ordinal)))];
        if (notes.Length > 0)
        {
            text.Append('\n').AppendJoin('\n', notes.Select(note => "- " + note)).Append('\n');
        }

        return text.ToString();
    }

    private static void AppendRow(StringBuilder text, BenchResult result, string[] peers)
    {
        if (result.MedianUs is not { } median)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {result.Shape} | wrong: {result.Problem} |\n");
            return;
        }

        text.Append(CultureInfo.InvariantCulture, $"| {result.Shape} | {result.Level} | {Time(median)} | {Time(result.P10Us)}-{Time(result.P90Us)} | {result.Gflops:F1} | {result.Gbps:F1} |");
        text.Append(result.LimitShare is { } share
            ? string.Create(CultureInfo.InvariantCulture, $" {(result.IsNoisy ? "~" : "")}{100 * share:F0} % |")
            : "  |");
        foreach (string peer in peers)
        {
            text.Append(' ').Append(result.Peers.TryGetValue(peer, out double time) ? Time(time) : string.Empty).Append(" |");
        }

        text.Append(peers.Length > 0 ? string.Create(CultureInfo.InvariantCulture, $" {result.RatioToBestPeer:F2} |\n") : "\n");
    }

    /// <summary>What the policies reserved for the traces.</summary>
    private static void AppendReserved(StringBuilder text, BenchResult[] traces)
    {
        const double MiB = 1 << 20;
        string[] policies = [.. traces[0].PeakReservedBytes!.Keys];
        text.Append("\nPeak of the bytes in use and of those taken from the device, in MiB, and the part of these that was not needed:\n\n");
        text.Append("| trace | in use |").AppendJoin(string.Empty, policies.Select(policy => $" {policy} |")).Append('\n');
        text.Append("|---").Append(string.Concat(Enumerable.Repeat("|---:", 1 + policies.Length))).Append("|\n");
        foreach (BenchResult trace in traces)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {trace.Shape} | {trace.PeakAllocatedBytes / MiB:N1} |");
            text.AppendJoin(string.Empty, policies.Select(policy => string.Create(
                CultureInfo.InvariantCulture, $" {trace.PeakReservedBytes![policy] / MiB:N1} ({100 * trace.UnusedShare(policy):F1} %) |"))).Append('\n');
        }
    }

    private static string Time(double? microseconds) => microseconds is { } us
        ? us.ToString(us < 10 ? "F3" : us < 1000 ? "F1" : "N0", CultureInfo.InvariantCulture)
        : string.Empty;
}

using System.CommandLine;
using System.Globalization;
using AiOs.Bench;
using AiOs.Bench.Report;
using AiOs.Bench.Results;
using AiOs.Cli.Options;
using AiOs.Cli.Runs;
using AiOs.Runtime;
using static AiOs.Cli.Options.OptionFactory;

namespace AiOs.Cli.Commands;

/// <summary><c>aios bench</c>: times ops against the machine's limits and other libraries.</summary>
internal static class BenchCommand
{
    private const string StandardOutput = "-";
    private const string MemoryBenchmark = "memory";
    private const double DefaultFailBelow = 0.95;

    public static Command Create()
    {
        Argument<string> name = new("benchmark") { HelpName = "BENCHMARK", Description = "One of " + string.Join(", ", BenchSession.Names) };
        Option<string?> backend = CommonOptions.Backend();
        Option<string?> dtype = Text("--dtype", "D", "Element type or format, such as bf16 or q4_k", "all that the benchmark has");
        Option<string?> shapes = Text("--shapes", "FILE|SHAPES", "Shapes such as 512,512,512 separated by semicolons, or a file with one per line", "the benchmark's own");
        Option<long?> threads = CommonOptions.Threads();
        Option<bool> peers = new("--peers") { Description = "Measures other installed libraries in the same rounds" };
        Option<long?> rounds = Whole("--rounds", "Rounds of a case at most; long cases take fewer, but at least 3", 3, 1000, "9");
        Option<string?> json = Text("--json", "FILE", $"Writes the results as a JSON array; {StandardOutput} is stdout");
        Option<string?> trace = Text("--trace", "FILE", "With memory: replays an allocation trace of lines 'alloc id bytes stream' and 'free id stream'; otherwise writes a timeline for ui.perfetto.dev");
        Option<string?> html = Text("--html", "FILE", "Writes a roofline page that needs no other file");
        Option<string?> results = Text("--results", "DIR", "Writes Markdown files into DIR/<processor>");
        Option<string?> baseline = Text("--baseline", "FILE", "Compares with an earlier --json by the share of the limit and exits with 1 when a case got worse");
        Option<double?> failBelow = Number("--fail-below", "Share of the baseline's that is enough", 0, 10, defaultText: "0.95");
        Command command = new("bench", "Times ops against the machine's measured limits and, with --peers, against other libraries. Checks every result first.")
        {
            name, backend, dtype, shapes, threads, peers, rounds, trace, json, html, results, baseline, failBelow,
        };
        command.SetAction(result =>
        {
            bool replays = result.GetRequiredValue(name) == MemoryBenchmark;
            return Run(new BenchSettings
            {
                Benchmark = result.GetRequiredValue(name),
                DType = result.GetValue(dtype),
                Shapes = result.GetValue(shapes),
                Peers = result.GetValue(peers),
                AllocationTrace = replays ? result.GetValue(trace) : null,
                Rounds = (int)(result.GetValue(rounds) ?? 9),
            },
            result.GetValue(backend), (int?)result.GetValue(threads),
            new Outputs(
                result.GetValue(json), result.GetValue(html), result.GetValue(results), replays ? null : result.GetValue(trace),
                result.GetValue(baseline), result.GetValue(failBelow)));
        });
        return command;
    }

    /// <summary>Where results go and what they are compared with; null is nowhere and nothing.</summary>
    private sealed record Outputs(string? Json, string? Html, string? Results, string? Timeline, string? Baseline, double? FailBelow);

    private static int Run(BenchSettings settings, string? backend, int? threads, Outputs outputs)
    {
        try
        {
            BenchSession.Validate(settings);
        }
        catch (BenchInputException e)
        {
            throw new UsageException(e.Message, e);
        }

        if (outputs is { FailBelow: not null, Baseline: null })
        {
            throw new UsageException("--fail-below goes with --baseline FILE");
        }

        // Before anything is measured: a file that is not there should not cost minutes.
        OutputFile.Check("--json", outputs.Json == StandardOutput ? null : outputs.Json);
        OutputFile.Check("--html", outputs.Html);
        IReadOnlyList<BenchResult>? before = outputs.Baseline is { } path ? BenchJson.Read(path) : null;
        using Device device = BackendChoice.Open(backend, threads, measures: true);
        TextWriter people = outputs.Json == StandardOutput ? Console.Error : Console.Out;
        BenchReport report = Timeline.Record(device, outputs.Timeline, () => BenchSession.Run(device, settings, new ResultTable(people)));
        Write(report, outputs);
        BenchResult[] wrong = [.. report.Results.Where(r => !r.Correct)];
        foreach (BenchResult result in wrong)
        {
            ErrorHandling.WriteLine(Console.Error, $"{result.Key}: wrong result: {result.Problem}");
        }

        bool worse = before is not null && IsWorse(before, report.Results, outputs.FailBelow ?? DefaultFailBelow, people);
        return wrong.Length > 0 || worse ? ExitCodes.Failed : ExitCodes.Ok;
    }

    private static void Write(BenchReport report, Outputs outputs)
    {
        string document = BenchJson.Write(report.Results);
        if (outputs.Json == StandardOutput)
        {
            Console.Out.Write(document);
        }
        else if (outputs.Json is { } json)
        {
            File.WriteAllText(json, document);
        }

        if (outputs.Html is { } html)
        {
            File.WriteAllText(html, RooflinePage.Render(report));
        }

        if (outputs.Results is { } directory)
        {
            string[] arguments = Environment.GetCommandLineArgs()[1..];
            MarkdownResults.Write(directory, report, "aios " + string.Join(' ', arguments));
        }
    }

    private static bool IsWorse(IReadOnlyList<BenchResult> before, IReadOnlyList<BenchResult> now, double least, TextWriter people)
    {
        IReadOnlyList<string> regressions = Baseline.Regressions(before, now, least);
        foreach (string line in regressions)
        {
            ErrorHandling.WriteLine(Console.Error, line);
        }

        people.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"baseline: {Baseline.Shared(before, now)} of {now.Count} cases compared, {regressions.Count} got worse"));
        return regressions.Count > 0;
    }
}

using System.CommandLine;
using AiOs.Bench;
using AiOs.Bench.Report;
using AiOs.Bench.Results;
using AiOs.Cli.Options;
using AiOs.Runtime;
using static AiOs.Cli.Options.OptionFactory;

namespace AiOs.Cli.Commands;

/// <summary><c>aios bench</c>: times ops against the machine's limits and other libraries.</summary>
internal static class BenchCommand
{
    private const string StandardOutput = "-";

    public static Command Create()
    {
        Argument<string> name = new("benchmark") { HelpName = string.Join('|', BenchSession.Names), Description = "What to measure" };
        Option<string?> backend = CommonOptions.Backend();
        Option<string?> dtype = Word("--dtype", "Element type", BenchSession.DTypes, "all that the benchmark has");
        Option<string?> shapes = Text("--shapes", "FILE|SHAPES", "Shapes such as 512,512,512 separated by semicolons, or a file with one per line", "the benchmark's own");
        Option<long?> threads = CommonOptions.Threads();
        Option<bool> peers = new("--peers") { Description = "Measures other installed libraries in the same rounds" };
        Option<long?> rounds = Whole("--rounds", "Rounds of a case at most; long cases take fewer, but at least 3", 3, 1000, "9");
        Option<string?> json = Text("--json", "FILE", $"Writes the results as a JSON array; {StandardOutput} is stdout");
        Command command = new("bench", "Times ops against the machine's measured limits and, with --peers, against other libraries. Checks every result first.")
        {
            name, backend, dtype, shapes, threads, peers, rounds, json,
        };
        command.SetAction(result => Run(
            new BenchSettings
            {
                Benchmark = result.GetRequiredValue(name),
                DType = result.GetValue(dtype),
                Shapes = result.GetValue(shapes),
                Peers = result.GetValue(peers),
                Rounds = (int)(result.GetValue(rounds) ?? 9),
            },
            result.GetValue(backend), (int?)result.GetValue(threads), result.GetValue(json)));
        return command;
    }

    private static int Run(BenchSettings settings, string? backend, int? threads, string? json)
    {
        try
        {
            BenchSession.Validate(settings);
        }
        catch (BenchInputException e)
        {
            throw new UsageException(e.Message, e);
        }

        using Device device = BackendChoice.Open(backend, threads);
        BenchReport report = BenchSession.Run(device, settings, new ResultTable(json == StandardOutput ? Console.Error : Console.Out));
        if (json is not null)
        {
            string document = BenchJson.Write(report.Results);
            if (json == StandardOutput)
            {
                Console.Out.Write(document);
            }
            else
            {
                File.WriteAllText(json, document);
            }
        }

        BenchResult[] wrong = [.. report.Results.Where(r => !r.Correct)];
        foreach (BenchResult result in wrong)
        {
            ErrorHandling.WriteLine(Console.Error, $"{result.Op} {result.DType} {result.Shape}: wrong result: {result.Problem}");
        }

        return wrong.Length == 0 ? ExitCodes.Ok : ExitCodes.Failed;
    }
}

using System.CommandLine;
using System.Globalization;
using AiOs.Cli.Options;
using AiOs.Cli.Runs;
using AiOs.Runtime;
using Spectre.Console;

namespace AiOs.Cli.Commands;

/// <summary><c>aios train</c>: trains a GPT.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        TrainOptionSet options = new();
        Command command = new("train",
            "Trains a GPT. With no options: a byte-level one on the repository's own text for about two minutes on 2 cores. "
            + "Ctrl-C saves a checkpoint; --resume goes on.");
        foreach (Option option in options.All)
        {
            command.Add(option);
        }

        command.SetAction(result => Run(options.Read(result)));
        return command;
    }

    private static int Run(TrainSettings settings)
    {
        IAnsiConsole console = Terminal.ForPeople(settings.Json);
        using TrainPlan plan = TrainPlanner.Plan(settings);
        MemoryOutput.Check("--memory-snapshot", settings.MemorySnapshot);
        using Device device = BackendChoice.Open(settings.Backend, settings.Threads, settings.MemorySnapshot is not null);
        TrainDocument document = TrainRun.Execute(plan, device, settings, console);
        if (settings.Json)
        {
            JsonOutput.Write(Console.Out, document);
        }
        else
        {
            Print(console, plan, document);
        }

        return ExitCodes.Ok;
    }

    private static void Print(IAnsiConsole console, TrainPlan plan, TrainDocument document)
    {
        console.WriteLine();
        if (document.Sample is { } sample)
        {
            console.MarkupLine("[bold]Generated text[/]");
            console.Profile.Out.Writer.WriteLine(sample.TrimEnd());
            console.WriteLine();
        }

        string rate = document.TokensPerSecond is { } tokens ? $" at {Units.Count(tokens)} tokens/s" : string.Empty;
        console.MarkupLine(document.Completed
            ? $"[bold]Done[/]: {document.Steps} steps in {Units.Duration(TimeSpan.FromSeconds(document.Seconds))}{rate}"
            : $"[bold]Interrupted[/] after {document.Steps} of {plan.Options.Steps} steps{rate}");
        Line(console, "training loss", document.Loss is { } loss ? Units.Loss(loss) + " nats per token, last step" : "no step was done");
        if (document is { ValidationLoss: { } validation, BigramLoss: { } bigram })
        {
            Line(console, "validation loss", Units.Loss(validation) + " nats per token");
            Line(console, "bigram model", string.Create(CultureInfo.InvariantCulture,
                $"{Units.Loss(bigram)} nats per token: {(document.BigramBeaten == true ? "beaten" : "not beaten, it is better")} by {Math.Abs(bigram - validation):F4}"));
        }

        Line(console, "checkpoint", document.Checkpoint is { } path ? TrainRun.Shorten(path) : "none");
        Line(console, "device memory", Units.Bytes(document.PeakReservedBytes) + " at most");
        if (document.Graph is { } graph)
        {
            Line(console, "graph", graph);
        }

        if (document.MemoryPlan is { } memoryPlan)
        {
            Line(console, "memory plan", memoryPlan.ToString());
        }

        Line(console, "report", TrainRun.Shorten(document.Report));
        if (document.Resume is { } resume)
        {
            Line(console, "go on with", resume);
        }
    }

    /// <summary>A name and its value, whose clauses have lines of their own.</summary>
    private static void Line(IAnsiConsole console, string name, string value) =>
        console.Profile.Out.Writer.WriteLine("  " + name.PadRight(18) + value.Replace("; ", ";" + Environment.NewLine + new string(' ', 20), StringComparison.Ordinal));
}

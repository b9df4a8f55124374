using System.CommandLine;
using System.Globalization;
using AiOs.Cli.Options;
using AiOs.Cli.Runs;
using AiOs.Runtime;
using AiOs.Training;
using static AiOs.Cli.Options.OptionFactory;

namespace AiOs.Cli.Commands;

/// <summary><c>aios memory</c>: what the memory of training steps is used for.</summary>
internal static class MemoryCommand
{
    private const int DefaultSteps = 3;
    private const int MaximumRows = 16;
    private const int SiteWidth = 42;

    public static Command Create()
    {
        TrainOptionSet model = new();
        Option<long?> steps = Whole("--steps", "Training steps", 1, 1_000_000, "3");
        Option<string?> snapshot = Text("--snapshot", "FILE", "Writes a pickle that PyTorch's memory_viz page opens");
        Option<string?> html = Text("--html", "FILE", "Writes a page with the memory over time that needs no other file");
        Option<string?> backend = CommonOptions.Backend();
        Option<long?> threads = CommonOptions.Threads();
        Option<bool> json = CommonOptions.Json();
        Command command = new("memory", "Trains a GPT for some steps, leaves nothing behind, and says what its memory is used for.")
        {
            snapshot, html, steps,
        };
        foreach (Option option in model.Step)
        {
            command.Add(option);
        }

        command.Add(backend);
        command.Add(threads);
        command.Add(json);
        command.SetAction(result => Run(
            model.Read(result) with { Steps = result.GetValue(steps) ?? DefaultSteps, Backend = result.GetValue(backend), Threads = (int?)result.GetValue(threads) },
            result.GetValue(snapshot), result.GetValue(html), result.GetValue(json)));
        return command;
    }

    private static int Run(TrainSettings settings, string? snapshotFile, string? htmlFile, bool json)
    {
        using TrainPlan plan = TrainPlanner.Plan(settings);
        MemoryOutput.Check("--snapshot", snapshotFile);
        MemoryOutput.Check("--html", htmlFile);
        using Device device = BackendChoice.Open(settings.Backend, settings.Threads, recordMemory: true);
        using Trainer trainer = new(device, plan.Options with { OutDirectory = null }, plan.Training);
        trainer.Run();
        MemorySnapshot snapshot = device.Memory.Snapshot();
        if (snapshotFile is not null)
        {
            snapshot.WritePickle(snapshotFile);
        }

        if (htmlFile is not null)
        {
            snapshot.WriteHtml(htmlFile);
        }

        MemoryDocument document = new()
        {
            Device = snapshot.Device,
            Parameters = trainer.Model.ParameterCount,
            Steps = trainer.Step,
            AllocatedBytes = snapshot.RequestedBytes,
            Blocks = snapshot.Blocks.Count(block => block.State == MemoryBlockState.Allocated),
            ReservedBytes = snapshot.ReservedBytes,
            PeakAllocatedBytes = snapshot.Statistics.PeakAllocatedBytes,
            PeakReservedBytes = snapshot.Statistics.PeakReservedBytes,
            Events = snapshot.History.Length,
            ForgottenEvents = snapshot.ForgottenEvents,
            Snapshot = snapshotFile,
            Html = htmlFile,
            Holders = [.. snapshot.Holders().Select(h => new MemoryHolderDocument(h.Site, h.Blocks, h.Bytes, h.BlocksAtPeak, h.BytesAtPeak))],
        };
        if (json)
        {
            JsonOutput.Write(Console.Out, document);
        }
        else
        {
            Print(document, Console.Out);
        }

        return ExitCodes.Ok;
    }

    private static void Print(MemoryDocument document, TextWriter output)
    {
        output.WriteLine($"{Units.Count(document.Steps)} {(document.Steps == 1 ? "step" : "steps")} of a GPT of {Units.Count(document.Parameters)} parameters on {document.Device}");
        output.WriteLine();
        Line("allocated", document.AllocatedBytes, $"in {Units.Count(document.Blocks)} blocks, after the last step");
        Line("reserved", document.ReservedBytes, "taken from the device");
        Line("unused", document.UnusedBytes, Share(document.UnusedBytes, document.ReservedBytes) + " of what is reserved");
        Line("peak allocated", document.PeakAllocatedBytes, "at one moment, rounding included");
        Line("peak reserved", document.PeakReservedBytes, "");
        output.WriteLine();
        Row("now", "blocks", "at peak", "blocks", "call site");
        foreach (MemoryHolderDocument holder in document.Holders.Take(MaximumRows))
        {
            Row(Units.Bytes(holder.Bytes), Units.Count(holder.Blocks), Units.Bytes(holder.BytesAtPeak), Units.Count(holder.BlocksAtPeak), holder.Site);
        }

        if (document.Holders.Skip(MaximumRows).ToArray() is { Length: > 0 } rest)
        {
            Row(Units.Bytes(rest.Sum(h => h.Bytes)), Units.Count(rest.Sum(h => h.Blocks)), Units.Bytes(rest.Sum(h => h.BytesAtPeak)),
                Units.Count(rest.Sum(h => h.BlocksAtPeak)), $"{rest.Length} more; --html shows them");
        }

        void Line(string name, long bytes, string note) =>
            output.WriteLine($"  {name,-16}{Units.Bytes(bytes),10}  {note}".TrimEnd());

        void Row(string now, string blocks, string peak, string blocksAtPeak, string site) =>
            output.WriteLine($"{now,10}{blocks,7} {peak,10}{blocksAtPeak,7}  {Shorten(site)}");
    }

    private static string Share(long part, long whole) =>
        whole == 0 ? "0 %" : string.Create(CultureInfo.InvariantCulture, $"{100.0 * part / whole:0.0} %");

    private static string Shorten(string site) => site.Length <= SiteWidth ? site : site[..(SiteWidth - 1)] + "…";
}

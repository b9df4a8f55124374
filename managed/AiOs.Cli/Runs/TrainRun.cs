using System.Diagnostics;
using AiOs.Cli.Corpus;
using AiOs.Cli.Options;
using AiOs.Cli.Reports;
using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training;
using Spectre.Console;

namespace AiOs.Cli.Runs;

/// <summary>Carries out a <see cref="TrainPlan"/>: trains, compares with the bigram, writes a sample and the report.</summary>
internal static class TrainRun
{
    /// <summary>Runs to the end, or to where the user interrupts.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="device">The device that computes.</param>
    /// <param name="settings">Says which files are written besides: the log, the timeline, the memory.</param>
    /// <param name="console">Shows the progress.</param>
    public static TrainDocument Execute(TrainPlan plan, Device device, TrainSettings settings, IAnsiConsole console)
    {
        using Trainer trainer = plan switch
        {
            { Checkpoint: { } checkpoint } => Trainer.FromCheckpoint(checkpoint, device, plan.Options, plan.Training, plan.Validation, plan.Tokenizer),
            { Init: { } weights } => Trainer.FromWeights(weights, device, plan.Options, plan.Training, plan.Validation, plan.Tokenizer),
            _ => new(device, plan.Options, plan.Training, plan.Validation, plan.Tokenizer),
        };
        RunDirectory directory = RunDirectory.Open(plan.Out, plan.Checkpoint is null ? -1 : plan.FirstStep);
        try
        {
            TrainDisplay display = new(console, plan.FirstStep, plan.Options.Steps);
            using RunRecorder recorder = new(display, directory.History, settings.LogJson, plan.FirstStep);
            using Interruption interruption = new(display.Stopping);
            Announce(plan, trainer, directory, console);
            Stopwatch clock = Stopwatch.StartNew();
            TrainingResult result = default;
            display.Show(() => result = Timeline.Record(device, settings.Trace, () => trainer.Run(recorder, interruption.Token)));
            clock.Stop();
            if (settings.MemorySnapshot is { } memory)
            {
                MemoryOutput.Write(device.Memory.Snapshot(), memory);
            }

            TrainDocument document = Conclude(plan, trainer, result, recorder, clock.Elapsed, directory);
            ReportWriter.Write(directory.Report, RunReport.Make(plan, document, recorder, device));
            return document;
        }
        catch
        {
            directory.Abandon();
            throw;
        }
    }

    private static void Announce(TrainPlan plan, Trainer trainer, RunDirectory directory, IAnsiConsole console)
    {
        console.WriteLine($"GPT of {Units.Count(trainer.Model.ParameterCount)} parameters in {(plan.Options.DType == DType.BF16 ? "bf16" : "f32")} on {Describe(trainer.Device)}");
        console.WriteLine($"{Units.Count(plan.Training.Length)} training tokens, {Units.Count(plan.Validation?.Length ?? 0)} for validation: {plan.DataName}");
        if (plan.Checkpoint is { } checkpoint)
        {
            console.WriteLine($"going on after step {checkpoint.State.Step} from {Shorten(checkpoint.Directory)}");
        }
        else if (directory.ReplacesARun)
        {
            console.WriteLine($"the checkpoints of the earlier run are now in {Shorten(Path.Combine(plan.Out, "checkpoints.previous"))}");
        }
    }

    private static TrainDocument Conclude(
        TrainPlan plan, Trainer trainer, TrainingResult result, RunRecorder recorder, TimeSpan time, RunDirectory directory)
    {
        double? validation = result.ValidationLoss ?? (recorder.Validation.Count > 0 && !result.Completed ? recorder.Validation[^1].Loss : trainer.Validate());
        return new TrainDocument
        {
            Steps = result.Step,
            Completed = result.Completed,
            Seconds = time.TotalSeconds,
            TokensPerSecond = recorder.MedianRate,
            Parameters = trainer.Model.ParameterCount,
            Loss = recorder.Steps.Count > 0 ? recorder.Steps[^1].Loss : null,
            ValidationLoss = validation,
            BigramLoss = plan.Validation is null ? null : BigramBaseline.CrossEntropy(plan.Training, plan.Validation, plan.Options.Model.Vocab),
            Sample = plan.Tokenizer is null ? null : SampleText.Write(trainer.Model, trainer.Stream, plan.Tokenizer, plan.Validation ?? plan.Training),
            Checkpoint = recorder.Checkpoint ?? plan.Checkpoint?.Directory,
            Report = directory.Report,
            Resume = result.Completed ? null : "aios train --resume " + Quote(Shorten(plan.Out)),
            Device = Describe(trainer.Device),
            PeakReservedBytes = trainer.Device.Memory.Statistics.PeakReservedBytes,
            Graph = trainer.GraphReport?.ToString(),
            MemoryPlan = trainer.PlanReport,
        };
    }

    private static string Describe(Device device) => $"{device.Info.Name} ({device.Name}, {device.Info.Isa}, {Units.Workers(device.Name, device.Info.Threads)})";

    /// <summary>A path as a user in the current directory would type it.</summary>
    public static string Shorten(string path)
    {
        string relative = Path.GetRelativePath(Environment.CurrentDirectory, path);
        return relative.StartsWith("..", StringComparison.Ordinal) ? path : relative;
    }

    private static string Quote(string path) => path.Any(c => !char.IsAsciiLetterOrDigit(c) && !"/._-+".Contains(c, StringComparison.Ordinal))
        ? "'" + path.Replace("'", @"'\''", StringComparison.Ordinal) + "'"
        : path;
}

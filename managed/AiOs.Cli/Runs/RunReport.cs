using System.Globalization;
using System.Runtime.InteropServices;
using AiOs.Cli.Reports;
using AiOs.Models.Tokenizers;
using AiOs.Runtime;
using AiOs.Training;

namespace AiOs.Cli.Runs;

/// <summary>Fills the report of a run.</summary>
internal static class RunReport
{
    /// <summary>The report of a run with its result.</summary>
    public static ReportData Make(TrainPlan plan, TrainDocument result, RunRecorder curves, Device device) => new()
    {
        Title = "GPT trained on " + plan.DataName,
        Summary = string.Create(CultureInfo.InvariantCulture,
            $"{Units.Count(result.Parameters)} parameters, {result.Steps} of {plan.Options.Steps} steps, {Units.Duration(TimeSpan.FromSeconds(result.Seconds))} on {result.Device}."),
        Steps = [.. curves.Steps.Select(s => new ReportStep(s.Step, s.Loss, s.LearningRate, s.TokensPerSecond, s.MemoryBytes))],
        Validation = [.. curves.Validation.Select(v => new ReportValidation(v.Step, v.Loss))],
        Bigram = result.BigramLoss,
        Sample = result.Sample,
        Tables = [Configuration(plan), Training(plan.Options), Environment(plan, device)],
        Written = DateTimeOffset.Now,
    };

    private static ReportTable Configuration(TrainPlan plan) => new("Model and data",
    [
        Row("layers", plan.Options.Model.Layers),
        Row("heads", plan.Options.Model.Heads),
        Row("width", plan.Options.Model.Embd),
        Row("block", plan.Options.Model.Block),
        Row("vocabulary", plan.Options.Model.Vocab),
        Row("numbers", Lower(plan.Options.DType)),
        Row("dropout", plan.Options.Model.Dropout),
        Row("initial weights", plan.Init ?? "random"),
        Row("data", plan.DataName),
        Row("training tokens", Units.Count(plan.Training.Length)),
        Row("validation tokens", plan.Validation is { } part ? Units.Count(part.Length) : "none"),
        Row("tokenizer", plan.Tokenizer switch { null => "none", ByteTokenizer => "bytes", _ => "GPT-2 BPE" }),
    ]);

    private static ReportTable Training(TrainerOptions options) => new("Training",
    [
        Row("steps", options.Steps),
        Row("batch", options.Batch),
        Row("micro-batches", options.Accumulate),
        Row("learning rate", options.LearningRate),
        Row("warm-up", options.Warmup),
        Row("schedule", Lower(options.Schedule)),
        Row("weight decay", options.WeightDecay),
        Row("beta1, beta2", string.Create(CultureInfo.InvariantCulture, $"{options.Beta1}, {options.Beta2}")),
        Row("gradient clip", options.GradClip),
        Row("order", Lower(options.Order)),
        Row("seed", options.Seed),
    ]);

    private static ReportTable Environment(TrainPlan plan, Device device) => new("Environment",
    [
        Row("backend", device.Name),
        Row("device", device.Info.Name),
        Row("kernels", device.Info.Isa),
        Row("workers", Units.Workers(device.Name, device.Info.Threads)),
        Row("memory", Units.Bytes(device.Info.MemoryBytes)),
        Row("runtime", RuntimeInformation.FrameworkDescription),
        Row("system", RuntimeInformation.OSDescription),
        Row("version", typeof(RunReport).Assembly.GetName().Version!.ToString(3)),
        Row("directory", plan.Out),
    ]);

    private static string Lower<T>(T word)
        where T : struct, Enum => word.ToString().ToLowerInvariant();

    private static KeyValuePair<string, string> Row<T>(string name, T value) =>
        new(name, string.Create(CultureInfo.InvariantCulture, $"{value}"));
}

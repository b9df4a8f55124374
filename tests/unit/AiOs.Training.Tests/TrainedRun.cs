using AiOs.Runtime;
using AiOs.Training.Checkpoints;
using AiOs.Training.Modules;

namespace AiOs.Training.Tests;

/// <summary>What a run came to, bit by bit.</summary>
/// <param name="Steps">Its steps.</param>
/// <param name="Validations">Its validations.</param>
/// <param name="Files">What the last checkpoint holds of the model and the optimizer.</param>
/// <param name="Graph">Of the trainer.</param>
/// <param name="Plan">Of the trainer.</param>
/// <param name="Memory">The device's memory at the end.</param>
internal sealed record TrainedRun(
    StepRecord[] Steps, ValidationRecord[] Validations, byte[] Files, GraphReport? Graph, StepPlanReport? Plan, AllocatorStatistics Memory)
{
    /// <summary>Everything that changes from step to step: batches, dropout, clipping, parts, schedule, bias corrections.</summary>
    public static TrainerOptions Varied { get; } = Fixtures.TinyRun with
    {
        Model = new GptConfig { Layers = 2, Heads = 3, Embd = 48, Block = 17, Vocab = 29, Dropout = 0.1f },
        Steps = 14,
        Batch = 6,
        Accumulate = 2,
        Schedule = Optimizers.ScheduleKind.Cosine,
        Warmup = 3,
        GradClip = 0.5,
    };

    public static TrainedRun Of(TrainerOptions options, bool validation = false)
    {
        using var directory = new TemporaryDirectory();
        return Of(options, directory, validation);
    }

    public static TrainedRun Of(TrainerOptions options, TemporaryDirectory directory, bool validation = false)
    {
        var recorder = new Recorder();
        (GraphReport? graph, StepPlanReport? plan, AllocatorStatistics memory) = Fixtures.OnDevice(device =>
        {
            using var trainer = new Trainer(
                device, options with { OutDirectory = directory.Path }, Fixtures.Tokens(2000), validation ? Fixtures.Tokens(400) : null);
            trainer.Run(recorder);
            return (trainer.GraphReport, trainer.PlanReport, device.Memory.Statistics);
        });
        string last = Checkpoint.Find(directory.Path).Directory;
        byte[] files =
        [
            .. File.ReadAllBytes(Path.Combine(last, Checkpoint.ModelName)),
            .. File.ReadAllBytes(Path.Combine(last, Checkpoint.OptimizerName)),
        ];
        return new TrainedRun([.. recorder.Steps], [.. recorder.Validations], files, graph, plan, memory);
    }

    /// <summary>Asserts that no bit differs.</summary>
    public TrainedRun EqualTo(TrainedRun other)
    {
        Assert.Equal(Fixtures.LossBits(other.Steps), Fixtures.LossBits(Steps));
        Assert.Equal(other.Steps.Select(s => s.GradNorm), Steps.Select(s => s.GradNorm));
        Assert.Equal(other.Validations, Validations);
        Assert.Equal(other.Files, Files);
        return this;
    }
}

using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Checkpoints;
using AiOs.Training.Modules;

namespace AiOs.Training.Tests;

/// <summary>A recorded and replayed step against the same step enqueued op by op: no bit may differ.</summary>
public sealed class GraphStepTests
{
    /// <summary>Everything that changes from step to step: batches, dropout, clipping, parts, schedule, bias corrections.</summary>
    private static readonly TrainerOptions Run = Fixtures.TinyRun with
    {
        Model = new GptConfig { Layers = 2, Heads = 3, Embd = 48, Block = 17, Vocab = 29, Dropout = 0.1f },
        Steps = 14,
        Batch = 6,
        Accumulate = 2,
        Schedule = Optimizers.ScheduleKind.Cosine,
        Warmup = 3,
        GradClip = 0.5,
    };

    [Theory]
    [InlineData(DType.F32, 2)]
    [InlineData(DType.F32, 1)]
    [InlineData(DType.BF16, 2)]
    public void AReplayedRunIsTheEagerRun(DType dtype, int parts)
    {
        TrainerOptions run = Run with { DType = dtype, Accumulate = parts };
        (StepRecord[] steps, byte[] files, _) = Train(run);
        (StepRecord[] replayed, byte[] replayedFiles, GraphReport? report) = Train(run with { Graph = true });
        Assert.Equal(Fixtures.LossBits(steps), Fixtures.LossBits(replayed));
        Assert.Equal(steps.Select(s => s.GradNorm), replayed.Select(s => s.GradNorm));
        Assert.Equal(files, replayedFiles);
        Assert.NotNull(report);
        Assert.Equal(run.Steps - 2, report.Launches);
        Assert.Equal(1, report.Commands);
        Assert.True(report.Nodes > 50, $"{report.Nodes} nodes");
    }

    [Fact]
    public void ValidationAndCheckpointsBetweenReplaysChangeNothing()
    {
        TrainerOptions run = Run with { ValidateEvery = 3, ValidationBatches = 2, SaveEvery = 5 };
        (StepRecord[] steps, byte[] files, _) = Train(run, validation: true);
        (StepRecord[] replayed, byte[] replayedFiles, _) = Train(run with { Graph = true }, validation: true);
        Assert.Equal(Fixtures.LossBits(steps), Fixtures.LossBits(replayed));
        Assert.Equal(files, replayedFiles);
    }

    [Fact]
    public void AnEagerRunGoesOnReplayed()
    {
        using var directory = new TemporaryDirectory();
        StepRecord[] whole = Train(Run with { SaveEvery = 7 }, directory).Steps;
        var again = new Recorder();
        Fixtures.OnDevice(device =>
        {
            Checkpoint checkpoint = Checkpoint.Open(directory.File("checkpoints/step-00000007"));
            using var trainer = Trainer.FromCheckpoint(
                checkpoint, device, checkpoint.State.Options with { Graph = true }, Fixtures.Tokens(2000));
            TrainingResult result = trainer.Run(again);
            Assert.Equal(5, trainer.GraphReport?.Launches);
            return result;
        });
        Assert.Equal(Fixtures.LossBits(whole[7..]), Fixtures.LossBits(again.Steps));
    }

    private static (StepRecord[] Steps, byte[] Files, GraphReport? Report) Train(TrainerOptions options, bool validation = false)
    {
        using var directory = new TemporaryDirectory();
        return Train(options, directory, validation);
    }

    /// <summary>Trains and reads what the last checkpoint holds of the model and the optimizer.</summary>
    private static (StepRecord[] Steps, byte[] Files, GraphReport? Report) Train(
        TrainerOptions options, TemporaryDirectory directory, bool validation = false)
    {
        var recorder = new Recorder();
        GraphReport? report = Fixtures.OnDevice(device =>
        {
            using var trainer = new Trainer(
                device, options with { OutDirectory = directory.Path }, Fixtures.Tokens(2000), validation ? Fixtures.Tokens(400) : null);
            trainer.Run(recorder);
            return trainer.GraphReport;
        });
        string last = Checkpoint.Find(directory.Path).Directory;
        byte[] files =
        [
            .. File.ReadAllBytes(Path.Combine(last, Checkpoint.ModelName)),
            .. File.ReadAllBytes(Path.Combine(last, Checkpoint.OptimizerName)),
        ];
        return ([.. recorder.Steps], files, report);
    }
}

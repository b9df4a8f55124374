using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Checkpoints;

namespace AiOs.Training.Tests;

/// <summary>A recorded and replayed step against the same step enqueued op by op: no bit may differ.</summary>
public sealed class GraphStepTests
{
    private static readonly TrainerOptions Run = TrainedRun.Varied;

    [Theory]
    [InlineData(DType.F32, 2)]
    [InlineData(DType.F32, 1)]
    [InlineData(DType.BF16, 2)]
    public void AReplayedRunIsTheEagerRun(DType dtype, int parts)
    {
        TrainerOptions run = Run with { DType = dtype, Accumulate = parts };
        GraphReport? report = TrainedRun.Of(run with { Graph = true }).EqualTo(TrainedRun.Of(run)).Graph;
        Assert.NotNull(report);
        Assert.Equal(run.Steps - 2, report.Launches);
        Assert.Equal(1, report.Commands);
        Assert.True(report.Nodes > 50, $"{report.Nodes} nodes");
    }

    [Fact]
    public void ValidationAndCheckpointsBetweenReplaysChangeNothing()
    {
        TrainerOptions run = Run with { ValidateEvery = 3, ValidationBatches = 2, SaveEvery = 5 };
        TrainedRun.Of(run with { Graph = true }, validation: true).EqualTo(TrainedRun.Of(run, validation: true));
    }

    [Fact]
    public void AnEagerRunGoesOnReplayed()
    {
        using var directory = new TemporaryDirectory();
        StepRecord[] whole = TrainedRun.Of(Run with { SaveEvery = 7 }, directory).Steps;
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
}

using AiOs.Tensors;
using AiOs.Training.Checkpoints;
using AiOs.Training.Modules;

namespace AiOs.Training.Tests;

public sealed class DeterminismTests
{
    /// <summary>Everything that could depend on threads or on interruption at once: dropout, shuffling, parts, clipping.</summary>
    private static readonly TrainerOptions Run = Fixtures.TinyRun with
    {
        Model = new GptConfig { Layers = 2, Heads = 3, Embd = 48, Block = 17, Vocab = 29, Dropout = 0.1f },
        Steps = 12,
        Batch = 6,
        Accumulate = 2,
        Schedule = Optimizers.ScheduleKind.Cosine,
        Warmup = 3,
        GradClip = 0.5,
    };

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    public void ThreadsDoNotChangeABit(DType dtype)
    {
        TrainerOptions run = Run with { DType = dtype };
        long[] one = Losses(run, threads: 1), two = Losses(run, threads: 2), three = Losses(run, threads: 3);
        Assert.Equal(one, two);
        Assert.Equal(one, three);
        Assert.NotEqual(one, Losses(run with { Seed = 6 }, threads: 2));
    }

    [Theory]
    [InlineData(1, DType.F32)]
    [InlineData(5, DType.F32)]
    [InlineData(9, DType.F32)]
    [InlineData(5, DType.BF16)]
    public void AResumedRunIsTheUninterruptedOne(int stop, DType dtype)
    {
        using var directory = new TemporaryDirectory();
        TrainerOptions run = Run with { DType = dtype }, saving = run with { OutDirectory = directory.Path };
        using var cancel = new CancellationTokenSource();
        var first = new Recorder
        {
            Stepped = s =>
            {
                if (s.Step + 1 == stop)
                {
                    cancel.Cancel();
                }
            },
        };
        TrainingResult interrupted = Fixtures.OnDevice(device =>
        {
            using var trainer = new Trainer(device, saving, Fixtures.Tokens(2000));
            return trainer.Run(first, cancel.Token);
        });
        Assert.InRange(interrupted.Step, stop, stop + 1);
        Assert.Equal(interrupted.Step, first.Steps.Count);

        var second = new Recorder();
        Fixtures.OnDevice(device =>
        {
            Checkpoint checkpoint = Checkpoint.Find(directory.Path);
            Assert.Equal(interrupted.Step, checkpoint.State.Step);
            using var trainer = Trainer.FromCheckpoint(checkpoint, device, checkpoint.State.Options, Fixtures.Tokens(2000));
            return trainer.Run(second);
        });
        Assert.Equal(Losses(run, threads: 2), Fixtures.LossBits(first.Steps.Concat(second.Steps)));
    }

    [Fact]
    public void ARunGoesOnFromAnyCheckpointAsItDidBefore()
    {
        // What is left after a kill between two checkpoints: the steps since the last one are done again.
        using var directory = new TemporaryDirectory();
        StepRecord[] whole = Steps(Run with { OutDirectory = directory.Path, SaveEvery = 7 });
        var again = new Recorder();
        Fixtures.OnDevice(device =>
        {
            Checkpoint checkpoint = Checkpoint.Open(directory.File("checkpoints/step-00000007"));
            using var trainer = new Trainer(device, checkpoint.State.Options, Fixtures.Tokens(2000));
            trainer.Resume(checkpoint);
            return trainer.Run(again);
        });
        Assert.Equal(Fixtures.LossBits(whole[7..]), Fixtures.LossBits(again.Steps));
        Assert.Equal(whole[7..].Select(s => s.GradNorm), again.Steps.Select(s => s.GradNorm));
    }

    [Fact]
    public void MicroBatchesGiveTheWholeBatchsGradient()
    {
        TrainerOptions run = Run with { Model = Run.Model with { Dropout = 0 }, Batch = 8, Accumulate = 1 };
        StepRecord[] whole = Steps(run), parts = Steps(run with { Accumulate = 4 });
        for (int i = 0; i < whole.Length; i++)
        {
            Assert.Equal(whole[i].Loss, parts[i].Loss, 2e-5 * whole[i].Loss);
            Assert.Equal(whole[i].GradNorm, parts[i].GradNorm, 1e-3 * whole[i].GradNorm);
        }
    }

    private static long[] Losses(TrainerOptions options, int threads) => Fixtures.LossBits(Steps(options, threads));

    private static StepRecord[] Steps(TrainerOptions options, int threads = 2)
    {
        var recorder = new Recorder();
        Fixtures.OnDevice(
            device =>
            {
                using var trainer = new Trainer(device, options, Fixtures.Tokens(2000));
                return trainer.Run(recorder);
            },
            threads);
        return [.. recorder.Steps];
    }
}

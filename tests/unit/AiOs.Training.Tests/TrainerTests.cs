using AiOs.Runtime;
using AiOs.Training.Checkpoints;
using AiOs.Training.Data;
using AiOs.Training.Optimizers;

namespace AiOs.Training.Tests;

public sealed class TrainerTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void ARunLearnsAndReportsEveryStep()
    {
        var recorder = new Recorder();
        TrainerOptions options = Fixtures.TinyRun with
        {
            Steps = 60,
            LearningRate = 1e-2,
            Schedule = ScheduleKind.Cosine,
            Warmup = 5,
            ValidateEvery = 20,
            ValidationBatches = 2,
        };
        TrainingResult result = Fixtures.OnDevice(device =>
        {
            (TokenSlice train, TokenSlice validation) = TokenSlice.Split(Fixtures.Tokens(4000), options.Model.Block);
            using var trainer = new Trainer(device, options, train, validation);
            TrainingResult done = trainer.Run(recorder);
            Assert.Equal(done.ValidationLoss!.Value, trainer.Validate()!.Value);
            Assert.Equal(60, trainer.Step);
            return done;
        });

        Assert.Equal(Enumerable.Range(0, 60).Select(i => (long)i), recorder.Steps.Select(s => s.Step));
        var schedule = new LearningRateSchedule(ScheduleKind.Cosine, 1e-2, 5, 60);
        Assert.All(recorder.Steps, s => Assert.Equal(schedule.At(s.Step), s.LearningRate));
        Assert.All(recorder.Steps, s => Assert.True(s is { GradNorm: > 0, Milliseconds: > 0, TokensPerSecond: > 0, MemoryBytes: > 0 }));
        Assert.Equal([20L, 40, 60], recorder.Validations.Select(v => v.Step));

        // 29 tokens in near-uniform guesses at first: 3.37 nats; the data follow a pattern.
        Assert.Equal(Math.Log(29), recorder.Steps[0].Loss, 0.1);
        Assert.InRange(result.Loss, 0, 2.2);
        Assert.InRange(result.ValidationLoss!.Value, 0, 2.2);
        Assert.True(result.Completed);
        Assert.Empty(recorder.Checkpoints);
    }

    [Fact]
    public void ValidationIsTheMeanOverAllWindows() => Fixtures.OnDevice(device =>
    {
        TokenArray data = Fixtures.Tokens(500);
        using var whole = new Trainer(device, Fixtures.TinyRun with { Batch = 7 }, data, data);
        using var single = new Trainer(device, Fixtures.TinyRun with { Batch = 1 }, data, data);
        Assert.Equal(whole.Validate()!.Value, single.Validate()!.Value, 1e-5);
        Assert.Equal(whole.Validate(1000)!.Value, whole.Validate()!.Value);
        Assert.NotEqual(whole.Validate(1)!.Value, whole.Validate()!.Value);
        return true;
    });

    [Fact]
    public void ALossThatIsNoNumberEndsTheRunAndKeepsTheLastCheckpoint()
    {
        var recorder = new Recorder();
        TrainerOptions options = Fixtures.TinyRun with
        {
            Steps = 50,
            LearningRate = 1e30,
            GradClip = 0,
            OutDirectory = _directory.Path,
            SaveEvery = 1,
            Warmup = 0,
        };
        AiOsException e = Assert.Throws<AiOsException>(() => Fixtures.OnDevice(device =>
        {
            using var trainer = new Trainer(device, options, Fixtures.Tokens(500));
            return trainer.Run(recorder);
        }));
        Assert.Matches(@"^the (loss|gradient norm) of step \d+ is (not a number|infinite) \(the last checkpoint is .*step-\d{8}\); lower --lr", e.Message);
        Assert.DoesNotContain('\n', e.Message);
        Assert.NotEmpty(recorder.Checkpoints);
        Assert.Equal(recorder.Checkpoints[^1], Checkpoint.Find(_directory.Path).Directory);
    }

    [Fact]
    public void ACancelledRunFinishesItsStepAndSaves()
    {
        using var cancel = new CancellationTokenSource();
        var recorder = new Recorder { Stepped = s => { if (s.Step == 2) { cancel.Cancel(); } } };
        TrainerOptions options = Fixtures.TinyRun with { Steps = 1000, OutDirectory = _directory.File("new/out") };
        TrainingResult result = Fixtures.OnDevice(device =>
        {
            using var trainer = new Trainer(device, options, Fixtures.Tokens(500));
            return trainer.Run(recorder, cancel.Token);
        });
        Assert.False(result.Completed);
        Assert.InRange(result.Step, 3, 5);
        Assert.Equal(result.Step, recorder.Steps.Count);
        Assert.Equal(result.Step, Checkpoint.Find(options.OutDirectory!).State.Step);
        Assert.Single(recorder.Checkpoints);
    }

    [Fact]
    public void ARunCancelledBeforeItsFirstStepLeavesNoCheckpoint() => Fixtures.OnDevice(device =>
    {
        using var trainer = new Trainer(device, Fixtures.TinyRun with { OutDirectory = _directory.Path }, Fixtures.Tokens(500));
        TrainingResult result = trainer.Run(null, new CancellationToken(canceled: true));
        Assert.Equal(0, result.Step);
        Assert.Throws<InvalidFileException>(() => Checkpoint.Find(_directory.Path));
        return true;
    });

    [Fact]
    public void ADirectoryThatCannotBeWrittenEndsTheRunBeforeItStarts()
    {
        string file = _directory.Write("file", [1]);
        var recorder = new Recorder();
        foreach (string path in new[] { Path.Combine(file, "out"), "/proc/aios-out" })
        {
            AiOsException e = Assert.ThrowsAny<AiOsException>(() => Fixtures.OnDevice(device =>
            {
                using var trainer = new Trainer(device, Fixtures.TinyRun with { OutDirectory = path }, Fixtures.Tokens(500));
                return trainer.Run(recorder);
            }));
            Assert.StartsWith(path, e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', e.Message);
        }

        Assert.Empty(recorder.Steps);
        Assert.Equal([file], Directory.GetFileSystemEntries(_directory.Path));
    }

    [Fact]
    public void AnObserverThatThrowsEndsTheRunCleanly() => Fixtures.OnDevice(device =>
    {
        var recorder = new Recorder { Stepped = _ => throw new InvalidOperationException("enough") };
        using var trainer = new Trainer(device, Fixtures.TinyRun, Fixtures.Tokens(500));
        Assert.Throws<InvalidOperationException>(() => trainer.Run(recorder, TestContext.Current.CancellationToken));
        return true;
    });

    [Fact]
    public void OptionsOutOfRangeAreRefused() => Fixtures.OnDevice(device =>
    {
        TrainerOptions good = Fixtures.TinyRun;
        (TrainerOptions Options, string Problem)[] cases =
        [
            (good with { Model = good.Model with { Heads = 3 } }, "not a multiple of --heads 3"),
            (good with { Model = good.Model with { Layers = 0 } }, "--layers 0"),
            (good with { Model = good.Model with { Dropout = 1 } }, "--dropout 1"),
            (good with { Model = good.Model with { Embd = 1024, Heads = 2 } }, "more than 256"),
            (good with { Batch = 0 }, "--batch 0"),
            (good with { Accumulate = 3 }, "--accumulate 3"),
            (good with { Steps = -1 }, "--steps -1"),
            (good with { LearningRate = double.NaN }, "learning rate"),
            (good with { Beta2 = 1 }, "--beta2 1"),
            (good with { GradClip = double.NaN }, "--grad-clip"),
            (good with { Warmup = -1 }, "--warmup -1"),
            (good with { Model = good.Model with { Block = 500 } }, "fewer than one window of 500 + 1"),
        ];
        foreach ((TrainerOptions options, string problem) in cases)
        {
            AiOsException e = Assert.Throws<AiOsException>(() => new Trainer(device, options, Fixtures.Tokens(500)));
            Assert.Contains(problem, e.Message, StringComparison.Ordinal);
        }

        AiOsException few = Assert.Throws<AiOsException>(() => new Trainer(device, good, Fixtures.Tokens(500), Fixtures.Tokens(8)));
        Assert.Contains("8 tokens are fewer", few.Message, StringComparison.Ordinal);
        return true;
    });
}

using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Checkpoints;
using AiOs.Training.Modules;
using AiOs.Training.Optimizers;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Tests;

/// <summary>Steps whose memory is planned against the same steps with the pool: no bit may differ.</summary>
public class StepPlanTests
{
    [Theory]
    [InlineData(DType.F32, 2)]
    [InlineData(DType.F32, 1)]
    [InlineData(DType.BF16, 2)]
    public void A_planned_run_is_the_run_without_within_the_same_memory(DType dtype, int parts)
    {
        TrainerOptions run = TrainedRun.Varied with { DType = dtype, Accumulate = parts };
        TrainedRun plain = TrainedRun.Of(run);
        TrainedRun planned = TrainedRun.Of(run with { PlanMemory = true }).EqualTo(plain);
        Assert.Equal((14, 12, 0), (planned.Plan!.Steps, planned.Plan.ReplayedSteps, planned.Plan.Mismatches));
        Assert.InRange(planned.Memory.PeakReservedBytes, 1, plain.Memory.PeakReservedBytes);
        Assert.True(planned.Memory.Allocations < plain.Memory.Allocations / 2, "planned blocks do not come from the pool");
    }

    [Fact]
    public void Validation_and_checkpoints_between_steps_leave_the_plan_as_it_is()
    {
        TrainerOptions run = TrainedRun.Varied with { ValidateEvery = 3, ValidationBatches = 2, SaveEvery = 5 };
        TrainedRun plain = TrainedRun.Of(run, validation: true);
        TrainedRun planned = TrainedRun.Of(run with { PlanMemory = true }, validation: true).EqualTo(plain);
        Assert.Equal((12, 0), (planned.Plan!.ReplayedSteps, planned.Plan.Mismatches));
        Assert.InRange(planned.Memory.PeakReservedBytes, 1, plain.Memory.PeakReservedBytes);
    }

    [Fact]
    public void A_run_without_a_plan_goes_on_with_one()
    {
        using var directory = new TemporaryDirectory();
        StepRecord[] whole = TrainedRun.Of(TrainedRun.Varied with { SaveEvery = 7 }, directory).Steps;
        var again = new Recorder();
        Fixtures.OnDevice(device =>
        {
            Checkpoint checkpoint = Checkpoint.Open(directory.File("checkpoints/step-00000007"));
            using var trainer = Trainer.FromCheckpoint(
                checkpoint, device, checkpoint.State.Options with { PlanMemory = true }, Fixtures.Tokens(2000));
            TrainingResult result = trainer.Run(again);
            Assert.Equal((5, 0), (trainer.PlanReport!.ReplayedSteps, trainer.PlanReport.Mismatches));
            return result;
        });
        Assert.Equal(Fixtures.LossBits(whole[7..]), Fixtures.LossBits(again.Steps));
    }

    [Fact]
    public void Steps_that_differ_fall_back_and_change_no_bit()
    {
        (float[] plain, _) = Train(planned: false);
        (float[] planned, StepPlanReport report) = Train(planned: true);
        Assert.Equal(plain, planned);
        // The first step makes the gradients as well, so there is a plan after 1 and 2; 6 validates; recorded again in 7; 11 and 13 are shorter; 12 is recorded again.
        Assert.Equal((14, 6, 3), (report.Steps, report.ReplayedSteps, report.Mismatches));
    }

    [Fact]
    public void A_step_that_runs_out_of_memory_is_told_as_that()
    {
        TrainerOptions run = TrainedRun.Varied with { PlanMemory = true };
        long until = TrainedRun.Of(TrainedRun.Varied with { Steps = 9 }).Memory.Allocations;
        long failing = (until + TrainedRun.Of(TrainedRun.Varied with { Steps = 10 }).Memory.Allocations) / 2;
        using Device device = Device.Open(options: new DeviceOptions { MemoryChecks = new MemoryChecks { FailAllocation = failing } });
        using (var trainer = new Trainer(device, run, Fixtures.Tokens(2000)))
        {
            Assert.Throws<DeviceOutOfMemoryException>(() => trainer.Run(new Recorder(), TestContext.Current.CancellationToken));
            Assert.True(trainer.PlanReport!.ReplayedSteps > 0);
        }

        Assert.Equal(0, device.Memory.Statistics.LiveBlocks);
    }

    [Fact]
    public void A_plan_and_a_graph_are_refused_together()
    {
        var error = Assert.Throws<AiOsException>((TrainedRun.Varied with { PlanMemory = true, Graph = true }).Validate);
        Assert.Contains("--plan-memory", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Fourteen steps with dropout: one measures the model in between, and two have shorter batches.</summary>
    private static (float[] Weights, StepPlanReport Report) Train(bool planned)
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        var config = new GptConfig { Layers = 2, Heads = 4, Embd = 64, Block = 64, Vocab = 512, Dropout = 0.1f };
        using var model = new Gpt(stream, config, 1);
        using var optimizer = new AdamW(model.Parameters, stream);
        using var clipper = new GradientClipper(model.Parameters, stream, 0.5);
        using var tape = new Tape(stream);
        using StepPlan plan = device.Memory.PlanSteps(stream);
        int[] tokens = [.. Enumerable.Range(0, 8 * 64).Select(i => i * 7919 % config.Vocab)];
        using Tensor whole = Tensor.From<int>(stream, tokens, 8, 64);
        using Tensor shorter = Tensor.From<int>(stream, tokens.AsSpan(0, 5 * 64), 5, 64);
        for (int step = 0; step < 14; step++)
        {
            using StepScope scope = planned ? plan.Begin() : default;
            Tensor ids = step is 11 or 13 ? shorter : whole;
            model.Training = true;
            tape.SeedRandom(3, step);
            optimizer.ZeroGrad();
            Tensor loss = model.Loss(tape, ids, ids);
            if (step == 6)
            {
                model.Training = false;
                using var other = new Tape(stream, recording: false);
                Assert.True(double.IsFinite(model.Loss(other, shorter, shorter).Item(stream)));
            }

            tape.Backward(loss);
            tape.Reset();
            clipper.Measure();
            optimizer.Step(1e-3, clipper);
        }

        float[] weights = [.. model.Parameters.SelectMany(parameter =>
        {
            float[] values = new float[parameter.Value.Length];
            parameter.Value.CopyTo<float>(values, stream);
            return values;
        })];
        return (weights, plan.Report);
    }
}

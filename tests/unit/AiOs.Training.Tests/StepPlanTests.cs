using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Modules;
using AiOs.Training.Optimizers;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Tests;

public class StepPlanTests
{
    [Fact]
    public void Training_with_planned_steps_is_bitwise_equal_within_the_same_memory()
    {
        (float[] plain, AllocatorStatistics without, _) = Train(planned: false);
        (float[] planned, AllocatorStatistics with, StepPlan? plan) = Train(planned: true);
        Assert.Equal(plain, planned);
        // The first step makes the gradients as well, so the second is not like it, and the third is recorded again.
        Assert.Equal((3, 1), (plan!.ReplayedSteps, plan.Mismatches));
        long slack = Math.Max(4 << 20, (long)(0.03 * without.PeakReservedBytes)); // What the pool may leave unused: at least two pages.
        Assert.InRange(with.PeakReservedBytes, 0, without.PeakReservedBytes + slack);
        Assert.True(with.Allocations < without.Allocations, "planned blocks do not come from the pool");
    }

    private static (float[] Weights, AllocatorStatistics Statistics, StepPlan? Plan) Train(bool planned)
    {
        using Device device = Device.Open();
        using Stream stream = device.CreateStream();
        var config = new GptConfig { Layers = 2, Heads = 4, Embd = 64, Block = 64, Vocab = 512 };
        using var model = new Gpt(stream, config, 1);
        using var optimizer = new AdamW(model.Parameters, stream);
        using var tape = new Tape(stream);
        using StepPlan plan = device.Memory.PlanSteps(stream);
        int[] tokens = [.. Enumerable.Range(0, 8 * 64).Select(i => i * 7919 % config.Vocab)];
        using Tensor ids = Tensor.From<int>(stream, tokens, 8, 64);
        for (int step = 0; step < 6; step++)
        {
            using StepScope scope = planned ? plan.Begin() : default;
            optimizer.ZeroGrad();
            tape.Backward(model.Loss(tape, ids, ids));
            tape.Reset();
            optimizer.Step(1e-3);
        }

        float[] weights = [.. model.Parameters.SelectMany(parameter =>
        {
            float[] values = new float[parameter.Value.Length];
            parameter.Value.CopyTo<float>(values, stream);
            return values;
        })];
        return (weights, device.Memory.Statistics, plan);
    }
}

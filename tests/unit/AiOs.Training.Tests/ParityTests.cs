using AiOs.Training.Data;

namespace AiOs.Training.Tests;

/// <summary>From the same weights and tokens, PyTorch's losses: the whole way from file to optimizer, 20 steps.</summary>
public sealed class ParityTests
{
    private const double LossTolerance = 2e-5;
    private const double NormTolerance = 5e-4;

    [Theory]
    [InlineData("gpt")]
    [InlineData("odd")]
    [InlineData("line")]
    public void LossesAreThoseOfPyTorch(string name)
    {
        GoldenData golden = GoldenData.Load(name);
        using var directory = new TemporaryDirectory();
        golden.WriteWeights(directory.File("init.safetensors"));
        directory.Write("tokens.bin", golden.TokenBytes());
        var recorder = new Recorder();
        Fixtures.OnDevice(device =>
        {
            using TokenFile tokens = TokenFile.Open(directory.File("tokens.bin"), golden.Options.Model.Vocab);
            using var trainer = new Trainer(device, golden.Options, tokens);
            trainer.LoadWeights(directory.File("init.safetensors"));
            return trainer.Run(recorder);
        });

        Assert.Equal(golden.Losses.Length, recorder.Steps.Count);
        (double Loss, double Norm)[] errors =
        [
            .. recorder.Steps.Select((s, i) => (
                Math.Abs(s.Loss - golden.Losses[i]) / golden.Losses[i], Math.Abs(s.GradNorm - golden.GradNorms[i]) / golden.GradNorms[i])),
        ];
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"largest relative deviation: loss {errors.Max(e => e.Loss):e2}, gradient norm {errors.Max(e => e.Norm):e2}");
        Assert.All(errors, e => Assert.InRange(e.Loss, 0, LossTolerance));
        Assert.All(errors, e => Assert.InRange(e.Norm, 0, NormTolerance));
    }
}

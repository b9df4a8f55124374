using AiOs.Tensors;
using AiOs.Training.Modules;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Tests;

public sealed class ModuleTests
{
    [Fact]
    public void ASequenceAppliesItsModulesAndNamesThemByPlace() => Fixtures.OnDevice(device =>
    {
        using Stream stream = device.CreateStream();
        var init = new Initializer(stream, 1);
        using var chain = new Sequential(new Linear(init, 3, 4, 1), new Dropout(0.5f), new RmsNorm(init, 4), new Linear(init, 4, 2, 1, bias: false));
        Assert.Equal(["0.weight", "0.bias", "2.weight", "3.weight"], chain.Parameters.Select(p => p.Name));
        chain.Training = false;
        using var tape = new Tape(stream, recording: false);
        using Tensor x = Tensor.From<float>(stream, [1f, 2, 3], 1, 3);
        float[] w0 = Values(chain.Parameters[0].Value, stream), w3 = Values(chain.Parameters[3].Value, stream);
        double[] hidden = [.. Enumerable.Range(0, 4).Select(c => Enumerable.Range(0, 3).Sum(r => (r + 1.0) * w0[(r * 4) + c]))];
        double rms = Math.Sqrt(hidden.Average(h => h * h) + 1e-5);
        double[] expected = [.. Enumerable.Range(0, 2).Select(c => Enumerable.Range(0, 4).Sum(r => hidden[r] / rms * w3[(r * 2) + c]))];
        Assert.All(Values(chain.Forward(tape, x), stream), (y, i) => Assert.Equal(expected[i], y, 1e-4));
        return true;
    });

    [Fact]
    public void DropoutActsOnlyWhileTrainingAndByItsSeed() => Fixtures.OnDevice(device =>
    {
        using Stream stream = device.CreateStream();
        using var dropout = new Dropout(0.25f);
        using var tape = new Tape(stream);
        using Tensor x = Tensor.Full(stream, DType.F32, 3, 100, 100);
        float[] first = Drop(1, 0), second = Drop(1, 1);
        Assert.Equal(0.25, first.Count(v => v == 0) / 10000.0, 0.03);
        Assert.All(first, v => Assert.True(v is 0 or 4));
        Assert.Equal(first, Drop(1, 0));
        Assert.NotEqual(first, second);
        Assert.NotEqual(first, Drop(2, 0));
        dropout.Training = false;
        Assert.All(Drop(1, 0), v => Assert.Equal(3, v));
        return true;

        float[] Drop(ulong seed, long step)
        {
            tape.SeedRandom(seed, step);
            float[] values = Values(dropout.Forward(tape, x), stream);
            tape.Reset();
            return values;
        }
    });

    [Fact]
    public void AModelsDropoutFollowsTheStep() => Fixtures.OnDevice(device =>
    {
        using Stream stream = device.CreateStream();
        using var model = new Gpt(stream, Fixtures.TinyModel with { Dropout = 0.2f }, 1);
        using var tape = new Tape(stream);
        using Tensor ids = Tensor.From<int>(stream, [1, 2, 3, 4, 5, 6, 7, 8], 1, 8);
        double[] losses = [.. Enumerable.Range(0, 3).Select(Loss)];
        Assert.Equal(losses[0], Loss(0));
        Assert.Equal(3, losses.Distinct().Count());
        model.Training = false;
        Assert.Equal(Loss(0), Loss(1));
        return true;

        double Loss(int step)
        {
            tape.SeedRandom(7, step);
            double loss = model.Loss(tape, ids, ids).Item(stream);
            tape.Reset();
            return loss;
        }
    });

    [Fact]
    public void ASequenceLongerThanThePositionsIsRefused() => Fixtures.OnDevice(device =>
    {
        using Stream stream = device.CreateStream();
        using var model = new Gpt(stream, Fixtures.TinyModel, 1);
        using var tape = new Tape(stream);
        using Tensor ids = Tensor.From<int>(stream, new int[9], 1, 9);
        Assert.Throws<ArgumentException>(() => model.Forward(tape, ids));
        return true;
    });

    private static float[] Values(Tensor tensor, Stream stream)
    {
        var values = new float[tensor.Length];
        tensor.CopyTo<float>(values, stream);
        return values;
    }
}

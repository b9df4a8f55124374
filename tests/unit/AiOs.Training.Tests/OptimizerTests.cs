using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Modules;
using AiOs.Training.Optimizers;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Tests;

public sealed class OptimizerTests
{
    private const int Rows = 3, Columns = 5;

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.7)]
    public void AdamWFollowsItsFormula(double clip)
    {
        var options = new AdamWOptions { Beta1 = 0.8, Beta2 = 0.9, WeightDecay = 0.2, Epsilon = 1e-6 };
        Compare(clip, (parameters, stream) => new AdamW(parameters, stream, options), (p, m, v, g, decay, t) =>
        {
            const double lr = 0.05;
            for (int i = 0; i < p.Length; i++)
            {
                p[i] *= 1 - (lr * (decay ? options.WeightDecay : 0));
                m[i] = (options.Beta1 * m[i]) + ((1 - options.Beta1) * g[i]);
                v[i] = (options.Beta2 * v[i]) + ((1 - options.Beta2) * g[i] * g[i]);
                double first = m[i] / (1 - Math.Pow(options.Beta1, t)), second = v[i] / (1 - Math.Pow(options.Beta2, t));
                p[i] -= lr * first / (Math.Sqrt(second) + options.Epsilon);
            }
        });
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.9)]
    public void SgdFollowsItsFormula(double momentum)
    {
        var options = new SgdOptions { Momentum = momentum, WeightDecay = 0.1 };
        Compare(1.0, (parameters, stream) => new Sgd(parameters, stream, options), (p, m, _, g, decay, _) =>
        {
            for (int i = 0; i < p.Length; i++)
            {
                m[i] = (momentum * m[i]) + g[i] + (decay ? options.WeightDecay * p[i] : 0);
                p[i] -= 0.05 * m[i];
            }
        });
    }

    [Fact]
    public void AParameterWithoutGradientIsNamed() => Fixtures.OnDevice(device =>
    {
        using Stream stream = device.CreateStream();
        using var layer = new Linear(new Initializer(stream, 1), 2, 2);
        using var optimizer = new AdamW(layer.Parameters, stream);
        AiOsException e = Assert.Throws<AiOsException>(() => optimizer.Step(0.1));
        Assert.Contains("parameter weight has no gradient", e.Message, StringComparison.Ordinal);
        return true;
    });

    [Fact]
    public void SettingsOutOfRangeAreRefused() => Fixtures.OnDevice(device =>
    {
        using Stream stream = device.CreateStream();
        Assert.Throws<AiOsException>(() => new AdamW([], stream, new AdamWOptions { Beta1 = 1 }));
        Assert.Throws<AiOsException>(() => new AdamW([], stream, new AdamWOptions { Beta2 = -0.1 }));
        Assert.Throws<AiOsException>(() => new AdamW([], stream, new AdamWOptions { WeightDecay = double.NaN }));
        Assert.Throws<AiOsException>(() => new Sgd([], stream, new SgdOptions { Momentum = 1 }));
        return true;
    });

    private delegate void Update(double[] p, double[] m, double[] v, double[] g, bool decay, int step);

    /// <summary>Four steps of a layer against the same in double precision; the loss is a weighted sum of the outputs.</summary>
    private static void Compare(double clip, Func<IReadOnlyList<Parameter>, Stream, Optimizer> make, Update update) => Fixtures.OnDevice(device =>
    {
        using Stream stream = device.CreateStream();
        using var layer = new Linear(new Initializer(stream, 7), Rows, Columns, deviation: 0.5);
        using Optimizer optimizer = make(layer.Parameters, stream);
        using var clipper = new GradientClipper(layer.Parameters, stream, clip);
        using var tape = new Tape(stream);
        double[][] values = [.. layer.Parameters.Select(p => Doubles(p.Value, stream))];
        double[][] first = [.. values.Select(v => new double[v.Length])], second = [.. values.Select(v => new double[v.Length])];
        for (int step = 1; step <= 4; step++)
        {
            float[] x = [0.5f * step, -1f, 2f];
            optimizer.ZeroGrad();
            using Tensor input = Tensor.From<float>(stream, x, 1, Rows);
            tape.Backward(Ops.Sum(tape, Ops.Square(tape, layer.Forward(tape, input))));
            tape.Reset();
            clipper.Measure();
            optimizer.Step(0.05, clipper);

            double[] y = [.. Enumerable.Range(0, Columns).Select(c => values[1][c] + Enumerable.Range(0, Rows).Sum(r => x[r] * values[0][(r * Columns) + c]))];
            double[] weightGradient = [.. Enumerable.Range(0, Rows * Columns).Select(i => 2 * x[i / Columns] * y[i % Columns])];
            double[] biasGradient = [.. y.Select(v => 2 * v)];
            double norm = Math.Sqrt(weightGradient.Concat(biasGradient).Sum(g => g * g));
            double scale = clip > 0 ? Math.Min(1, clip / (norm + 1e-6)) : 1;
            update(values[0], first[0], second[0], [.. weightGradient.Select(g => g * scale)], true, step);
            update(values[1], first[1], second[1], [.. biasGradient.Select(g => g * scale)], false, step);
            for (int p = 0; p < 2; p++)
            {
                double[] got = Doubles(layer.Parameters[p].Value, stream);
                Assert.All(got, (g, i) => Assert.Equal(values[p][i], g, 2e-5));
            }
        }

        Assert.Equal(4, optimizer.Steps);
        return true;
    });

    private static double[] Doubles(Tensor tensor, Stream stream)
    {
        var values = new float[tensor.Length];
        tensor.CopyTo<float>(values, stream);
        return [.. values.Select(v => (double)v)];
    }
}

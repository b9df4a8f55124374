using AiOs.Bench.Measure;
using AiOs.Tensors;
using AiOs.Training.Modules;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Bench.Families;

/// <summary>
/// Gradients of a GPT-2 that is small enough to have each of them compared with differences of its loss in binary64: those of
/// the model under test are only affordable where backward has hardly begun.
/// </summary>
internal sealed class GradientSample
{
    private const int Batch = 2;
    private const int ElementsPerParameter = 3;

    // Length of the way between the two losses of a difference. The error of a central difference is its square.
    private const double Step = 1e-3;

    private static readonly GptConfig Shape = new() { Layers = 2, Heads = 2, Embd = 128, Block = 6, Vocab = 61 };

    private readonly Dictionary<string, float[]> _values = [];
    private readonly int[] _ids = [.. Enumerable.Range(0, Batch * Shape.Block).Select(i => i * 7919 % Shape.Vocab)];
    private readonly int[] _targets = [.. Enumerable.Range(0, Batch * Shape.Block).Select(i => ((i * 10729) + 1) % Shape.Vocab)];
    private readonly List<Slope> _slopes = [];
    private readonly bool _half;

    private GradientSample(bool half) => _half = half;

    /// <summary>What the device computed: the gradient of every parameter by its name.</summary>
    public Dictionary<string, float[]> Gradients { get; } = [];

    /// <summary>Runs the model forward and backward once.</summary>
    /// <param name="context">The stream, and random values.</param>
    /// <param name="dtype">F32 or BF16.</param>
    public static GradientSample Take(BenchContext context, DType dtype)
    {
        Stream stream = context.Stream;
        GradientSample sample = new(dtype == DType.BF16);
        using Gpt model = new(stream, Shape, 1, dtype);
        using Tape tape = new(stream);
        using Tensor ids = Tensor.From<int>(stream, sample._ids, Batch, Shape.Block);
        using Tensor targets = Tensor.From<int>(stream, sample._targets, Batch, Shape.Block);
        int seed = 0;
        foreach (Parameter parameter in model.Parameters)
        {
            // With gains of one and biases of zero, as at the start, a backward pass that forgets them would be right.
            float[] values = Read(parameter.Value, stream), noise = context.Random(values.Length, ++seed);
            float size = parameter.Value.Rank == 1 ? 0.3f : 0.1f;
            for (int i = 0; i < values.Length; i++)
            {
                values[i] += size * noise[i];
            }

            Write(parameter.Value, values, stream);
            sample._values[parameter.Name] = Read(parameter.Value, stream);
        }

        tape.Backward(model.Loss(tape, ids, targets));
        tape.Reset();
        foreach (Parameter parameter in model.Parameters)
        {
            sample.Gradients[parameter.Name] = Read(parameter.Value.Grad, stream);
        }

        sample.Measure();
        return sample;
    }

    /// <summary>Values of a tensor of either type.</summary>
    public static float[] Read(Tensor tensor, Stream stream)
    {
        float[] values = new float[tensor.Length];
        if (tensor.DType == DType.F32)
        {
            tensor.CopyTo<float>(values, stream);
            return values;
        }

        BFloat16[] halves = new BFloat16[tensor.Length];
        tensor.CopyTo<BFloat16>(halves, stream);
        return Array.ConvertAll(halves, half => (float)half);
    }

    /// <summary>Compares the gradients with the slopes, along directions that all elements are in and at some elements.</summary>
    public void Compare(Verdict verdict)
    {
        double relative = _half ? 0.06 : 1e-4;
        foreach (Slope slope in _slopes)
        {
            float[] gradient = Gradients[slope.Name];
            double got = 0;
            for (int i = 0; i < gradient.Length; i++)
            {
                got += gradient[i] * slope.Way[i];
            }

            double size = slope.Element is null
                ? Math.Max(Math.Abs(slope.Expected), Math.Sqrt(gradient.Sum(g => (double)g * g)))
                : gradient.Max(Math.Abs);
            string what = $"gradient of {slope.Name}" + (slope.Element is null ? " along a direction" : string.Empty);
            verdict.Near(what, slope.Element ?? 0, got, slope.Expected, relative * size);
        }
    }

    /// <summary>Finds out how the loss changes with each parameter.</summary>
    private void Measure()
    {
        foreach ((string name, float[] gradient) in Gradients)
        {
            // Along signs of chance wrong elements do not cancel; along its own signs the gradient is longest.
            _slopes.Add(Along(name, null, i => (((uint)i * 2654435761u) >> 13) % 2 == 0 ? 1 : -1));
            _slopes.Add(Along(name, null, i => gradient[i] < 0 ? -1 : 1));
            _slopes.AddRange(Verdict.Sample(gradient.Length, ElementsPerParameter).Select(element => Along(name, element, i => i == element ? 1 : 0)));
        }
    }

    /// <summary>Slope of the loss along a direction, by a central difference.</summary>
    private Slope Along(string name, long? element, Func<int, int> direction)
    {
        float[] center = _values[name], ahead = new float[center.Length], behind = new float[center.Length];
        double[] way = new double[center.Length];
        double step = Step / (element is null ? Math.Sqrt(center.Length) : 1);
        for (int i = 0; i < center.Length; i++)
        {
            ahead[i] = (float)(center[i] + (step * direction(i)));
            behind[i] = (float)(center[i] - (step * direction(i)));

            // As far as it went in binary32.
            way[i] = ((double)ahead[i] - behind[i]) / (2 * step);
        }

        return new Slope(name, element, way, (Loss(ahead) - Loss(behind)) / (2 * step));

        double Loss(float[] moved) =>
            new Gpt2Reference(Shape, other => other == name ? moved : _values[other]).Evaluate(_ids, _targets, Batch, Shape.Block).Loss;
    }

    private static void Write(Tensor tensor, float[] values, Stream stream)
    {
        if (tensor.DType == DType.F32)
        {
            tensor.CopyFrom<float>(values, stream);
            return;
        }

        BFloat16[] halves = new BFloat16[values.Length];
        BFloat16.FromSingles(values, halves);
        tensor.CopyFrom<BFloat16>(halves, stream);
    }

    /// <summary>How the loss changes along a direction.</summary>
    /// <param name="Name">The parameter.</param>
    /// <param name="Element">The only element that changes; null when all do.</param>
    /// <param name="Way">The direction.</param>
    /// <param name="Expected">Change of the loss for each unit of the way.</param>
    private sealed record Slope(string Name, long? Element, double[] Way, double Expected);
}

using AiOs.Tensors;
using AiOs.Training.Modules;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Tests;

public sealed class GradientTests
{
    [Fact]
    public void GradientsOfATwoLayerGptAreItsSlopes() => Fixtures.OnDevice(device =>
    {
        using Stream stream = device.CreateStream();
        using var model = new Gpt(stream, new GptConfig { Layers = 2, Heads = 2, Embd = 12, Block = 7, Vocab = 11 }, seed: 3);
        using var tape = new Tape(stream);
        int[] tokens = [.. Enumerable.Range(0, 19).Select(i => i * i % 11)];
        using Tensor ids = Tensor.From<int>(stream, tokens.AsSpan(0, 18), 3, 6);
        using Tensor targets = Tensor.From<int>(stream, tokens.AsSpan(1, 18), 3, 6);

        // Larger weights than at the start of training, so that every part of the model matters.
        foreach (Parameter parameter in model.Parameters.Where(p => p.Decay))
        {
            Change(parameter, stream, values => Philox.FillNormal(values, 1, (ulong)parameter.Name.Length, 0, 0.3f));
        }

        tape.Backward(model.Loss(tape, ids, targets));
        tape.Reset();
        foreach (Parameter parameter in model.Parameters)
        {
            var gradient = new float[parameter.Value.Length];
            parameter.Value.Grad.CopyTo<float>(gradient, stream);
            double norm = Math.Sqrt(gradient.Sum(g => (double)g * g));

            // Along the gradient the loss must rise by its norm; a wrong gradient points another way or is too long.
            const double distance = 1e-2;
            double slope = (LossAt(distance) - LossAt(-distance)) / (2 * distance);
            Assert.True(Math.Abs(slope - norm) <= (4e-3 * norm) + 2e-4, $"{parameter.Name}: slope {slope}, gradient norm {norm}");

            double LossAt(double along)
            {
                float[] before = Change(parameter, stream, values =>
                {
                    for (int i = 0; i < values.Length; i++)
                    {
                        values[i] += (float)(along * gradient[i] / norm);
                    }
                });
                double loss = model.Loss(tape, ids, targets).Item(stream);
                tape.Reset();
                parameter.Value.CopyFrom<float>(before, stream);
                return loss;
            }
        }

        return true;
    });

    private delegate void Edit(Span<float> values);

    private static float[] Change(Parameter parameter, Stream stream, Edit edit)
    {
        var values = new float[parameter.Value.Length];
        parameter.Value.CopyTo<float>(values, stream);
        float[] before = [.. values];
        edit(values);
        parameter.Value.CopyFrom<float>(values, stream);
        return before;
    }
}

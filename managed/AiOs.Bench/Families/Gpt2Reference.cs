using AiOs.Training.Modules;

namespace AiOs.Bench.Families;

/// <summary>GPT-2 in binary64 for the first few positions of each sequence, layer by layer: every weight is read once.</summary>
/// <param name="config">The shape.</param>
/// <param name="parameter">Values of a parameter by its name.</param>
internal sealed class Gpt2Reference(GptConfig config, Func<string, float[]> parameter)
{
    /// <summary>Name of the norm before the output projection.</summary>
    public const string LastNorm = "transformer.ln_f";

    private const double Epsilon = 1e-5;

    private int Width => config.Embd;

    /// <summary>Mean loss over the positions, and its gradient with respect to the last norm's bias.</summary>
    public (double Loss, double[] Gradient) Evaluate(int[] ids, int[] targets, int batch, int positions)
    {
        float[] tokens = parameter("transformer.wte.weight"), places = parameter("transformer.wpe.weight");
        int rows = batch * positions;
        int Place(int row) => (row / positions * config.Block) + (row % positions);
        double[][] x = [.. Enumerable.Range(0, rows).Select(row => Enumerable.Range(0, Width)
            .Select(c => (double)tokens[((long)ids[Place(row)] * Width) + c] + places[(row % positions * Width) + c]).ToArray())];
        for (int layer = 0; layer < config.Layers; layer++)
        {
            string name = $"transformer.h.{layer}.";
            double[][] qkv = Linear(Norm(x, name + "ln_1"), name + "attn.c_attn", 3 * Width);
            Add(x, Linear(Attend(qkv, positions), name + "attn.c_proj", Width));
            double[][] hidden = Linear(Norm(x, name + "ln_2"), name + "mlp.c_fc", 4 * Width);
            foreach (double[] row in hidden)
            {
                for (int i = 0; i < row.Length; i++)
                {
                    row[i] = 0.5 * row[i] * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (row[i] + (0.044715 * row[i] * row[i] * row[i]))));
                }
            }

            Add(x, Linear(hidden, name + "mlp.c_proj", Width));
        }

        return Loss(Norm(x, LastNorm), tokens, [.. Enumerable.Range(0, rows).Select(row => targets[Place(row)])]);
    }

    private (double Loss, double[] Gradient) Loss(double[][] x, float[] tokens, int[] targets)
    {
        double loss = 0;
        double[] gradient = new double[Width], logits = new double[config.Vocab];
        for (int row = 0; row < x.Length; row++)
        {
            for (int v = 0; v < logits.Length; v++)
            {
                double sum = 0;
                for (int c = 0; c < Width; c++)
                {
                    sum += x[row][c] * tokens[((long)v * Width) + c];
                }

                logits[v] = sum;
            }

            double top = logits.Max(), total = logits.Sum(logit => Math.Exp(logit - top));
            loss += top + Math.Log(total) - logits[targets[row]];
            for (int v = 0; v < logits.Length; v++)
            {
                double d = ((Math.Exp(logits[v] - top) / total) - (v == targets[row] ? 1 : 0)) / x.Length;
                for (int c = 0; c < Width; c++)
                {
                    gradient[c] += d * tokens[((long)v * Width) + c];
                }
            }
        }

        return (loss / x.Length, gradient);
    }

    private double[][] Norm(double[][] x, string name)
    {
        float[] weight = parameter(name + ".weight"), bias = parameter(name + ".bias");
        return Array.ConvertAll(x, row =>
        {
            double mean = row.Average(), variance = row.Average(value => (value - mean) * (value - mean));
            double scale = 1 / Math.Sqrt(variance + Epsilon);
            return row.Select((value, c) => ((value - mean) * scale * weight[c]) + bias[c]).ToArray();
        });
    }

    private double[][] Linear(double[][] x, string name, int outputs)
    {
        float[] weight = parameter(name + ".weight"), bias = parameter(name + ".bias");
        return Array.ConvertAll(x, row =>
        {
            double[] y = Array.ConvertAll(bias, value => (double)value);
            for (int i = 0; i < row.Length; i++)
            {
                ReadOnlySpan<float> w = weight.AsSpan(i * outputs, outputs);
                for (int o = 0; o < outputs; o++)
                {
                    y[o] += row[i] * w[o];
                }
            }

            return y;
        });
    }

    private double[][] Attend(double[][] qkv, int positions)
    {
        int size = Width / config.Heads;
        double[][] mixed = Array.ConvertAll(qkv, _ => new double[Width]);
        for (int row = 0; row < qkv.Length; row++)
        {
            for (int head = 0; head < config.Heads; head++)
            {
                int first = row / positions * positions, at = head * size;
                double[] scores = [.. Enumerable.Range(first, row - first + 1).Select(key =>
                    Enumerable.Range(at, size).Sum(c => qkv[row][c] * qkv[key][Width + c]) / Math.Sqrt(size))];
                double top = scores.Max(), total = scores.Sum(score => Math.Exp(score - top));
                for (int key = first; key <= row; key++)
                {
                    for (int c = at; c < at + size; c++)
                    {
                        mixed[row][c] += Math.Exp(scores[key - first] - top) / total * qkv[key][(2 * Width) + c];
                    }
                }
            }
        }

        return mixed;
    }

    private static void Add(double[][] x, double[][] y)
    {
        for (int row = 0; row < x.Length; row++)
        {
            for (int c = 0; c < x[row].Length; c++)
            {
                x[row][c] += y[row][c];
            }
        }
    }
}

namespace AiOs.Conformance.Oracles;

/// <summary>One head of attention in binary64, over matrices of [length][dim] rows.</summary>
public sealed class AttentionHead(double[][] q, double[][] k, double[][] v, double scale, bool causal)
{
    private readonly int _shift = k.Length - q.Length;

    /// <summary>Number of keys that query <paramref name="i"/> sees.</summary>
    public int Visible(int i) => causal ? i + _shift + 1 : k.Length;

    /// <summary>Scores of a query, and how much absolute value went into the greatest.</summary>
    public (double[] Scores, double Magnitude) Scores(int i)
    {
        double[] scores = new double[Visible(i)];
        double magnitude = 0;
        for (int j = 0; j < scores.Length; j++)
        {
            double sum = 0;
            for (int d = 0; d < q[i].Length; d++)
            {
                scores[j] += scale * q[i][d] * k[j][d];
                sum += Math.Abs(scale * q[i][d] * k[j][d]);
            }

            magnitude = Math.Max(magnitude, sum);
        }

        return (scores, magnitude);
    }

    /// <summary>Log of the sum of exponentials of a row of scores.</summary>
    public static double LogSumExp(double[] scores)
    {
        double max = scores.Max();
        return max + Math.Log(scores.Sum(score => Math.Exp(score - max)));
    }

    /// <summary>Output row of a query, the magnitudes of its elements and its log-sum-exp.</summary>
    public (double[] Out, double[] Magnitude, double Lse, double LseMagnitude) Forward(int i)
    {
        (double[] scores, double scoreMagnitude) = Scores(i);
        double lse = LogSumExp(scores);
        double[] row = new double[v.Length == 0 ? 0 : v[0].Length];
        double[] magnitude = new double[row.Length];
        for (int j = 0; j < scores.Length; j++)
        {
            double p = Math.Exp(scores[j] - lse);
            for (int d = 0; d < row.Length; d++)
            {
                row[d] += p * v[j][d];
                magnitude[d] += p * Math.Abs(v[j][d]) * (1 + scoreMagnitude);
            }
        }

        return (row, magnitude, lse, scoreMagnitude + Math.Abs(lse));
    }

    /// <summary>
    /// Adds the gradients of query <paramref name="i"/> to dq, dk and dv (each paired with magnitudes), from dout and
    /// the output and log-sum-exp that the forward pass stored.
    /// </summary>
    public void Backward(int i, double[] dout, double[] stored, double lse, Gradient dq, Gradient dk, Gradient dv)
    {
        (double[] scores, double scoreMagnitude) = Scores(i);
        double delta = 0;
        double deltaMagnitude = 0;
        for (int d = 0; d < dout.Length; d++)
        {
            delta += dout[d] * stored[d];
            deltaMagnitude += Math.Abs(dout[d] * stored[d]);
        }

        double spread = 1 + scoreMagnitude + Math.Abs(lse);
        for (int j = 0; j < scores.Length; j++)
        {
            double p = Math.Exp(scores[j] - lse);
            double dp = 0;
            double dpMagnitude = 0;
            for (int d = 0; d < dout.Length; d++)
            {
                dv.Add(j, d, p * dout[d], Math.Abs(p * dout[d]) * spread);
                dp += dout[d] * v[j][d];
                dpMagnitude += Math.Abs(dout[d] * v[j][d]);
            }

            double ds = scale * p * (dp - delta);
            double dsMagnitude = Math.Abs(scale) * p * (dpMagnitude + deltaMagnitude) * spread;
            for (int d = 0; d < dout.Length; d++)
            {
                dq.Add(i, d, ds * k[j][d], dsMagnitude * Math.Abs(k[j][d]));
                dk.Add(j, d, ds * q[i][d], dsMagnitude * Math.Abs(q[i][d]));
            }
        }
    }
}

/// <summary>A matrix being summed up, with the sums of absolute values beside it.</summary>
public sealed class Gradient(int rows, int cols)
{
    private readonly double[] _values = new double[rows * cols];
    private readonly double[] _magnitudes = new double[rows * cols];

    public void Add(int row, int col, double value, double magnitude)
    {
        _values[(row * cols) + col] += value;
        _magnitudes[(row * cols) + col] += magnitude;
    }

    public (double Value, double Magnitude) this[int row, int col] => (_values[(row * cols) + col], _magnitudes[(row * cols) + col]);
}

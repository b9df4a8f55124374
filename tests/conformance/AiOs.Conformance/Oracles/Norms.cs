namespace AiOs.Conformance.Oracles;

/// <summary>What LayerNorm and RMSNorm share, in binary64.</summary>
public static class Norms
{
    /// <summary>Mean, 1 / sqrt(biased variance + epsilon) and mean of absolute values of a row.</summary>
    public static (double Mean, double Rstd, double MeanMagnitude) Moments(ReadOnlySpan<double> row, double epsilon)
    {
        double mean = 0;
        double magnitude = 0;
        foreach (double x in row)
        {
            mean += x / row.Length;
            magnitude += Math.Abs(x) / row.Length;
        }

        double variance = 0;
        foreach (double x in row)
        {
            variance += (x - mean) * (x - mean) / row.Length;
        }

        return (mean, 1 / Math.Sqrt(variance + epsilon), magnitude);
    }

    /// <summary>1 / sqrt(mean of squares + epsilon) of a row.</summary>
    public static double RootMeanSquare(ReadOnlySpan<double> row, double epsilon)
    {
        double sum = 0;
        foreach (double x in row)
        {
            sum += x * x / row.Length;
        }

        return 1 / Math.Sqrt(sum + epsilon);
    }

    /// <summary>
    /// Gradient of a normalised row: rstd * (g - [mean of g] - xhat * mean of (g xhat)), where the mean of g belongs to
    /// LayerNorm only. Returns each element and the sum of the absolute values of its terms.
    /// </summary>
    public static (double Value, double Magnitude)[] Backward(
        ReadOnlySpan<double> g, ReadOnlySpan<double> xhat, ReadOnlySpan<double> xhatMagnitude, double rstd, bool centred)
    {
        int n = g.Length;
        double mean = 0;
        double meanMagnitude = 0;
        double dot = 0;
        double dotMagnitude = 0;
        for (int i = 0; i < n; i++)
        {
            mean += centred ? g[i] / n : 0;
            meanMagnitude += centred ? Math.Abs(g[i]) / n : 0;
            dot += g[i] * xhat[i] / n;
            dotMagnitude += Math.Abs(g[i]) * xhatMagnitude[i] / n;
        }

        var result = new (double, double)[n];
        for (int i = 0; i < n; i++)
        {
            result[i] = (
                rstd * (g[i] - mean - (xhat[i] * dot)),
                rstd * (Math.Abs(g[i]) + meanMagnitude + (xhatMagnitude[i] * dotMagnitude)));
        }

        return result;
    }
}

namespace AiOs.Bench.Measure;

/// <summary>What is said of repeated measurements.</summary>
internal static class Statistics
{
    /// <summary>The middle value; the mean of the two in the middle when their number is even.</summary>
    public static double Median(IReadOnlyList<double> values) => Quantile(values, 0.5);

    /// <summary>The value below which a share of the values lies, linear between neighbours; NaN without values.</summary>
    public static double Quantile(IReadOnlyList<double> values, double share)
    {
        if (values.Count == 0)
        {
            return double.NaN;
        }

        double[] sorted = [.. values];
        Array.Sort(sorted);
        double at = share * (sorted.Length - 1);
        int low = (int)at;
        int high = Math.Min(low + 1, sorted.Length - 1);
        return sorted[low] + ((at - low) * (sorted[high] - sorted[low]));
    }

    /// <summary>(greatest - least) / median; 0 for fewer than two values.</summary>
    public static double Spread(IReadOnlyList<double> values) =>
        values.Count < 2 ? 0 : (values.Max() - values.Min()) / Median(values);

    /// <summary>The geometric mean; NaN without values.</summary>
    public static double GeometricMean(IEnumerable<double> values)
    {
        double sum = 0;
        int count = 0;
        foreach (double value in values)
        {
            sum += Math.Log(value);
            count++;
        }

        return count == 0 ? double.NaN : Math.Exp(sum / count);
    }
}

namespace AiOs.Cli.Reports;

/// <summary>A linear axis: values onto pixels, and round values to label.</summary>
internal readonly record struct ChartScale(double Low, double High, double PixelLow, double PixelHigh)
{
    /// <summary>The pixel of a value.</summary>
    public double this[double value] => PixelLow + ((value - Low) / (High - Low) * (PixelHigh - PixelLow));

    /// <summary>An axis that covers the values with a little room, or from zero when asked.</summary>
    public static ChartScale Cover(IEnumerable<double> values, bool fromZero, double pixelLow, double pixelHigh)
    {
        double low = double.PositiveInfinity;
        double high = double.NegativeInfinity;
        foreach (double value in values)
        {
            low = Math.Min(low, value);
            high = Math.Max(high, value);
        }

        if (!double.IsFinite(low) || !double.IsFinite(high))
        {
            (low, high) = (0, 1);
        }

        double room = Math.Max((high - low) * 0.06, Math.Max(Math.Abs(high) * 1e-3, 1e-12));
        return new ChartScale(fromZero ? Math.Min(0, low) : low - room, high + room, pixelLow, pixelHigh);
    }

    /// <summary>Round values inside the axis, about <paramref name="count"/> of them, in steps of 1, 2 or 5 times a power of ten.</summary>
    public IEnumerable<double> Ticks(int count)
    {
        double step = TickStep(count);
        double first = Math.Ceiling(Low / step);
        for (int i = 0; ((first + i) * step) <= High; i++)
        {
            yield return (first + i) * step;
        }
    }

    /// <summary>Decimals that tell neighbouring ticks apart.</summary>
    public int TickDecimals(int count) => Math.Max(0, (int)-Math.Floor(Math.Log10(TickStep(count)) + 1e-9));

    private double TickStep(int count)
    {
        double raw = (High - Low) / count;
        double power = Math.Pow(10, Math.Floor(Math.Log10(raw)));
        return power * ((raw / power) switch
        {
            <= 1.4 => 1,
            <= 3 => 2,
            <= 7 => 5,
            _ => 10,
        });
    }
}

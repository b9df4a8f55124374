using System.Buffers.Binary;

namespace AiOs.Tensors.Tests;

/// <summary>
/// How far a quantised row may be from its source. Where a scale is searched for, the mean square error of a group is at
/// most that of rounding to the plain scale; the K formats add what rounding scale and minimum to integers can change.
/// </summary>
internal static class QuantizationBound
{
    // Rounding a scale to binary16 moves it by 2^-11 of itself, or by 2^-25 where it is subnormal.
    private const double HalfUnit = 1.0 / (1 << 11);
    private const double Subnormal = 1.0 / (1 << 25);

    public static void Check(QuantizedFormat format, bool zeroPoints, ReadOnlySpan<float> source, ReadOnlySpan<float> got, ReadOnlySpan<byte> codes)
    {
        double greatest = 0;
        foreach (float x in source)
        {
            greatest = Math.Max(greatest, Math.Abs((double)x));
        }

        switch (format)
        {
            case QuantizedFormat.Int8:
                Each(source, got, _ => greatest / 254 * 1.0001);
                return;
            case QuantizedFormat.Float8E4M3:
                Each(source, got, x => (Math.Abs(x) / 16 * 1.0001) + (greatest / 448 / 1024));
                return;
            case QuantizedFormat.Float8E5M2:
                Each(source, got, x => (Math.Abs(x) / 8 * 1.0001) + (greatest / 57344 / (1 << 17)));
                return;
        }

        int length = format switch { QuantizedFormat.Int4 => 64, QuantizedFormat.Q2K or QuantizedFormat.Q3K or QuantizedFormat.Q6K => 16, _ => 32 };
        for (int at = 0; at < source.Length; at += length)
        {
            int n = Math.Min(length, source.Length - at);
            double bound = Bound(format, zeroPoints, source.Slice(at, n), at, codes), sum = 0;
            for (int i = at; i < at + n; i++)
            {
                sum += Math.Pow((double)got[i] - source[i], 2);
            }

            // A group that ends with the row repeats its last weight, which takes part in the search.
            double rms = Math.Sqrt(sum / (n < length && format != QuantizedFormat.Int4 ? length : n));
            Assert.True(rms <= bound * 1.001, $"{format}: weights {at} to {at + n}: error {rms:E3}, allowed {bound:E3}");
        }
    }

    private static void Each(ReadOnlySpan<float> source, ReadOnlySpan<float> got, Func<double, double> bound)
    {
        for (int i = 0; i < source.Length; i++)
        {
            double error = Math.Abs((double)got[i] - source[i]);
            Assert.True(error <= bound(source[i]), $"weight {i} is {source[i]}, became {got[i]}; allowed {bound(source[i]):E3}");
        }
    }

    /// <summary>Bound of the root mean square error of one group.</summary>
    private static double Bound(QuantizedFormat format, bool zeroPoints, ReadOnlySpan<float> group, int at, ReadOnlySpan<byte> codes)
    {
        double low = double.MaxValue, high = double.MinValue;
        foreach (float x in group)
        {
            low = Math.Min(low, x);
            high = Math.Max(high, x);
        }

        double most = Math.Max(Math.Abs(low), Math.Abs(high));
        return format switch
        {
            QuantizedFormat.Q80 => Plain(most / 127, 127, 0.5),

            // The code of the extreme weight is one step beyond what the other sign has.
            QuantizedFormat.Q40 => Plain(most / 8, 8, 1),
            QuantizedFormat.Q50 => Plain(most / 16, 16, 1),
            QuantizedFormat.Int4 => zeroPoints ? Plain((Math.Max(high, 0) - Math.Min(low, 0)) / 15, 15, 1) : Plain(most / 8, 8, 1),
            QuantizedFormat.Q41 => Plain((high - low) / 15, 15, 0.5) + (Math.Abs(low) * HalfUnit) + Subnormal,
            QuantizedFormat.Q51 => Plain((high - low) / 31, 31, 0.5) + (Math.Abs(low) * HalfUnit) + Subnormal,

            // The widest gap of the table is 24, and 113 is the end on the other side.
            QuantizedFormat.Iq4Nl => Plain(most / 127, 127, 14),
            QuantizedFormat.Q2K => ((Math.Max(high, 0) - Math.Min(low, 0)) / 6) + Integers(codes, 84, at, 3, 80, 82),
            QuantizedFormat.Q4K => ((Math.Max(high, 0) - Math.Min(low, 0)) / 30) + Integers(codes, 144, at, 15, 0, 2),
            QuantizedFormat.Q5K => ((Math.Max(high, 0) - Math.Min(low, 0)) / 62) + Integers(codes, 176, at, 31, 0, 2),
            QuantizedFormat.Q3K => (most / 4) + Integers(codes, 110, at, 4, 108, null),
            QuantizedFormat.Q6K => (most / 32) + Integers(codes, 210, at, 32, 208, null),
            _ => throw new ArgumentOutOfRangeException(nameof(format), format, "no bound"),
        };
    }

    /// <summary>Rounding to steps of a scale, and that of the scale to binary16, which a code multiplies.</summary>
    private static double Plain(double scale, int code, double steps) => (steps * scale) + (code * ((scale * HalfUnit) + Subnormal));

    /// <summary>What rounding to multiples of d and dmin changes: half of each, the former times the greatest code.</summary>
    private static double Integers(ReadOnlySpan<byte> codes, int blockBytes, int at, int code, int d, int? dmin)
    {
        ReadOnlySpan<byte> block = codes[(at / 256 * blockBytes)..];
        double scale = Math.Abs((double)BinaryPrimitives.ReadHalfLittleEndian(block[d..])) + (2 * Subnormal);
        double min = dmin is { } index ? (double)BinaryPrimitives.ReadHalfLittleEndian(block[index..]) + (2 * Subnormal) : 0;

        // The integers themselves may end at their range: rounding d and dmin to binary16 moves 63 of them by as much.
        return (code * scale * (0.5 + 0.07)) + (min * (0.5 + 0.07));
    }
}

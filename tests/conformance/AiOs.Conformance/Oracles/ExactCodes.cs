using AiOs.Conformance.Harness;
using AiOs.Interop;

namespace AiOs.Conformance.Oracles;

/// <summary>
/// Quantised matrices whose weights determine every byte: scales are powers of two, and each group has the codes that
/// plain rounding gives its extreme elements, so that it comes out without any error.
/// </summary>
public static class ExactCodes
{
    /// <summary>Codes of whole rows, with scales and zero points where the format keeps them apart.</summary>
    public static (byte[] Bytes, double[] Scales, double[] Zeros) Make(DataSource data, aios_dtype format, int rows, int blocks, bool zeros)
    {
        (int weights, int size) = QuantizedWeights.Block(format);
        int pieces = rows * blocks;
        if (weights == 1)
        {
            return Bytewise(data, format, rows, blocks * 32);
        }

        byte[] bytes = new byte[pieces * size];
        double[] scales = format == aios_dtype.I4 ? new double[pieces] : [];
        double[] points = zeros ? new double[pieces] : [];
        for (int i = 0; i < pieces; i++)
        {
            Span<byte> block = bytes.AsSpan(i * size, size);
            if (format == aios_dtype.I4)
            {
                scales[i] = Math.ScaleB(1, data.Integer(-8, 3));
                WriteCodes(data, format, block, 0, 32, zeros ? [0, 15] : [0], 15);
                if (zeros)
                {
                    points[i] = data.Integer(0, 15);
                }
            }
            else if (weights == 32)
            {
                Short(data, format, block);
            }
            else
            {
                Long(data, format, block);
            }
        }

        return (bytes, scales, points);
    }

    /// <summary>Makes blocks of 256 weights what a matrix of zeros must become.</summary>
    public static void Clear(aios_dtype format, byte[] bytes)
    {
        (_, int size) = QuantizedWeights.Block(format);
        Array.Clear(bytes);
        for (int at = 0; at < bytes.Length; at += size)
        {
            Span<byte> block = bytes.AsSpan(at, size);
            for (int k = 0; k < 256 && format is (aios_dtype.Q3K or aios_dtype.Q6K); k++)
            {
                WriteCode(format, block, k, format == aios_dtype.Q3K ? 4 : 32);
            }

            for (int g = 0; g < 16 && format == aios_dtype.Q3K; g++)
            {
                WriteScale(format, block, g, 0, 0);
            }
        }
    }

    /// <summary>The matrix that the codes stand for.</summary>
    public static double[] Weights(aios_dtype format, byte[] bytes, double[] scales, double[] points, int rows, int cols)
    {
        (int weights, int size) = QuantizedWeights.Block(format);
        double[] values = new double[rows * cols];
        for (int i = 0; i < values.Length; i++)
        {
            int piece = i / weights;
            Span<byte> block = bytes.AsSpan(piece * size, size);
            values[i] = format switch
            {
                aios_dtype.I8 => scales[i / cols] * (sbyte)bytes[i],
                aios_dtype.F8e4m3 or aios_dtype.F8e5m2 => scales[i / cols] * QuantizedWeights.Float8(format, bytes[i]),
                aios_dtype.I4 => scales[piece] * (QuantizedWeights.Nibble(block, i % 32) - (points.Length > 0 ? points[piece] : 8)),
                _ => QuantizedWeights.Weight(format, block, i % weights) is var (product, offset) ? product + offset : 0,
            };
        }

        return values;
    }

    /// <summary>One scale for a row, which has the greatest code somewhere.</summary>
    private static (byte[] Bytes, double[] Scales, double[] Zeros) Bytewise(DataSource data, aios_dtype format, int rows, int cols)
    {
        byte[] bytes = new byte[rows * cols];
        double[] scales = new double[rows];
        byte greatest = format switch { aios_dtype.I8 => 127, aios_dtype.F8e4m3 => 0x7E, _ => 0x7B };
        for (int i = 0; i < bytes.Length; i++)
        {
            byte code = (byte)data.Integer(0, greatest);
            bytes[i] = data.Integer(0, 1) == 0 ? code : format == aios_dtype.I8 ? (byte)(256 - code) : (byte)(code | 0x80);
        }

        for (int r = 0; r < rows; r++)
        {
            scales[r] = Math.ScaleB(1, data.Integer(-8, 3));
            bytes[(r * cols) + data.Integer(0, cols - 1)] = greatest;
        }

        return (bytes, scales, []);
    }

    private static void Short(DataSource data, aios_dtype format, Span<byte> block)
    {
        bool offset = format is aios_dtype.Q41 or aios_dtype.Q51;
        double scale = Math.ScaleB(1, data.Integer(-8, 3));
        WriteHalf(block, 0, offset || format == aios_dtype.Q80 || data.Integer(0, 1) == 0 ? scale : -scale);
        if (offset)
        {
            WriteHalf(block, 2, scale * data.Integer(-40, 40));
        }

        if (format == aios_dtype.Q80)
        {
            for (int k = 0; k < 32; k++)
            {
                block[2 + k] = (byte)(sbyte)data.Integer(-127, 127);
            }

            block[2 + data.Integer(0, 31)] = 0x81;
            return;
        }

        int most = format is aios_dtype.Q50 or aios_dtype.Q51 ? 31 : 15;
        WriteCodes(data, format, block, 0, 32, offset ? [0, most] : [0], most);
    }

    private static void Long(DataSource data, aios_dtype format, Span<byte> block)
    {
        bool offset = format is aios_dtype.Q2K or aios_dtype.Q4K or aios_dtype.Q5K;
        int groups = format is aios_dtype.Q4K or aios_dtype.Q5K ? 8 : 16;
        int most = format switch { aios_dtype.Q2K => 3, aios_dtype.Q3K => 7, aios_dtype.Q4K => 15, aios_dtype.Q5K => 31, _ => 63 };
        foreach (int half in QuantizedWeights.Halves(format))
        {
            WriteHalf(block, half, Math.ScaleB(1, data.Integer(-6, 0)));
        }

        // The scale, and the minimum, of greatest magnitude is the one that the block's own scale is made from.
        (int low, int high, int extreme) = format switch
        {
            aios_dtype.Q2K => (1, 15, 15),
            aios_dtype.Q3K => (1, 31, -32),
            aios_dtype.Q6K => (1, 127, -128),
            _ => (1, 63, 63),
        };
        int place = data.Integer(0, groups - 1);
        for (int g = 0; g < groups; g++)
        {
            int scale = g == place ? extreme : extreme < 0 && data.Integer(0, 1) == 0 ? -data.Integer(low, high) : data.Integer(low, high);
            int min = g == groups - 1 - place ? high : data.Integer(0, high);
            WriteScale(format, block, g, scale, min);
            WriteCodes(data, format, block, 256 / groups * g, 256 / groups, offset ? [0, most] : [0], most);
        }
    }

    /// <summary>Random codes 0 .. most of some neighbouring weights, the given ones among them.</summary>
    private static void WriteCodes(DataSource data, aios_dtype format, Span<byte> block, int first, int count, int[] given, int most)
    {
        int place = data.Integer(0, count - 1);
        for (int k = 0; k < count; k++)
        {
            int turn = (k + place) % count;
            WriteCode(format, block, first + k, turn < given.Length ? given[turn] : data.Integer(0, most));
        }
    }

    private static void WriteHalf(Span<byte> block, int at, double value) => BitConverter.TryWriteBytes(block[at..], (Half)value);

    private static void WriteCode(aios_dtype format, Span<byte> block, int k, int code)
    {
        int i = k % 32, j = k / 32 % 4, h = k / 128;
        switch (format)
        {
            case aios_dtype.Q2K:
                block[16 + (32 * h) + i] |= (byte)(code << (2 * j));
                break;
            case aios_dtype.Q3K:
                block[32 + (32 * h) + i] |= (byte)((code & 3) << (2 * j));
                block[i] |= (byte)((code >> 2) << (k / 32));
                break;
            case aios_dtype.Q4K:
                block[16 + (32 * (k / 64)) + i] |= (byte)(code << (k / 32 % 2 * 4));
                break;
            case aios_dtype.Q5K:
                block[48 + (32 * (k / 64)) + i] |= (byte)((code & 15) << (k / 32 % 2 * 4));
                block[16 + i] |= (byte)((code >> 4) << (k / 32));
                break;
            case aios_dtype.Q6K:
                block[(64 * h) + (32 * (j % 2)) + i] |= (byte)((code & 15) << (j / 2 * 4));
                block[128 + (32 * h) + i] |= (byte)((code >> 4) << (2 * j));
                break;
            default:
                int at = format switch { aios_dtype.I4 => 0, aios_dtype.Q41 => 4, aios_dtype.Q50 => 6, aios_dtype.Q51 => 8, _ => 2 };
                block[at + (k % 16)] |= (byte)((code & 15) << (k / 16 * 4));
                if (code > 15)
                {
                    block[at - 4 + (k / 8)] |= (byte)(1 << (k % 8));
                }

                break;
        }
    }

    private static void WriteScale(aios_dtype format, Span<byte> block, int g, int scale, int min)
    {
        switch (format)
        {
            case aios_dtype.Q2K:
                block[g] = (byte)(scale | (min << 4));
                break;
            case aios_dtype.Q3K:
                block[96 + (g % 8)] |= (byte)(((scale + 32) & 15) << (g / 8 * 4));
                block[104 + (g % 4)] |= (byte)(((scale + 32) >> 4) << (g / 4 * 2));
                break;
            case aios_dtype.Q6K:
                block[192 + g] = (byte)(sbyte)scale;
                break;
            default:
                Span<byte> packed = block[4..16];
                if (g < 4)
                {
                    packed[g] |= (byte)scale;
                    packed[g + 4] |= (byte)min;
                }
                else
                {
                    packed[g + 4] |= (byte)((scale & 15) | ((min & 15) << 4));
                    packed[g - 4] |= (byte)((scale >> 4) << 6);
                    packed[g] |= (byte)((min >> 4) << 6);
                }

                break;
        }
    }
}

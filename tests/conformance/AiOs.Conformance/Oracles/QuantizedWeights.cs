using System.Buffers.Binary;
using AiOs.Interop;

namespace AiOs.Conformance.Oracles;

/// <summary>
/// Formats of quantised weights in binary64, one weight at a time by the formulas of `aios_dtype` and `aios_qmatrix`.
/// </summary>
public static class QuantizedWeights
{
    private static readonly int[] s_iq4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    /// <summary>The formats whose scales lie in their blocks.</summary>
    public static IReadOnlyList<aios_dtype> Blocks { get; } =
    [
        aios_dtype.Q80, aios_dtype.Q40, aios_dtype.Q41, aios_dtype.Q50, aios_dtype.Q51, aios_dtype.Q2K, aios_dtype.Q3K,
        aios_dtype.Q4K, aios_dtype.Q5K, aios_dtype.Q6K, aios_dtype.Iq4Nl,
    ];

    /// <summary>All formats.</summary>
    public static IReadOnlyList<aios_dtype> All { get; } = [.. Blocks, aios_dtype.I8, aios_dtype.F8e4m3, aios_dtype.F8e5m2, aios_dtype.I4];

    /// <summary>Weights and bytes of a block; where the format has none, of the shortest piece of a row.</summary>
    public static (int Weights, int Bytes) Block(aios_dtype format) => format switch
    {
        aios_dtype.Q80 => (32, 34),
        aios_dtype.Q40 or aios_dtype.Iq4Nl => (32, 18),
        aios_dtype.Q41 => (32, 20),
        aios_dtype.Q50 => (32, 22),
        aios_dtype.Q51 => (32, 24),
        aios_dtype.Q2K => (256, 84),
        aios_dtype.Q3K => (256, 110),
        aios_dtype.Q4K => (256, 144),
        aios_dtype.Q5K => (256, 176),
        aios_dtype.Q6K => (256, 210),
        aios_dtype.I4 => (32, 16),
        _ => (1, 1),
    };

    public static int RowBytes(aios_dtype format, int cols)
    {
        (int weights, int bytes) = Block(format);
        return (cols + weights - 1) / weights * bytes;
    }

    /// <summary>Where a block keeps binary16 numbers.</summary>
    public static int[] Halves(aios_dtype format) => format switch
    {
        aios_dtype.Q80 or aios_dtype.Q40 or aios_dtype.Q50 or aios_dtype.Iq4Nl => [0],
        aios_dtype.Q41 or aios_dtype.Q51 or aios_dtype.Q4K or aios_dtype.Q5K => [0, 2],
        aios_dtype.Q2K => [80, 82],
        aios_dtype.Q3K => [108],
        aios_dtype.Q6K => [208],
        _ => [],
    };

    /// <summary>Weight k of a block as the sum of two terms, of which the second is the offset.</summary>
    public static (double Product, double Offset) Weight(aios_dtype format, ReadOnlySpan<byte> block, int k)
    {
        int i = k % 32, j = k / 32 % 4, h = k / 128;
        switch (format)
        {
            case aios_dtype.Q80:
                return (Half(block, 0) * (sbyte)block[2 + k], 0);
            case aios_dtype.Q40:
                return (Half(block, 0) * (Nibble(block[2..], k) - 8), 0);
            case aios_dtype.Q41:
                return (Half(block, 0) * Nibble(block[4..], k), Half(block, 2));
            case aios_dtype.Q50:
                return (Half(block, 0) * (Nibble(block[6..], k) + (16 * Bit(block, 16 + k)) - 16), 0);
            case aios_dtype.Q51:
                return (Half(block, 0) * (Nibble(block[8..], k) + (16 * Bit(block, 32 + k))), Half(block, 2));
            case aios_dtype.Iq4Nl:
                return (Half(block, 0) * s_iq4[Nibble(block[2..], k)], 0);
            case aios_dtype.Q2K:
                int both = block[k / 16];
                return (Half(block, 80) * (both & 15) * (block[16 + (32 * h) + i] >> (2 * j) & 3), -Half(block, 82) * (both >> 4));
            case aios_dtype.Q3K:
                int third = (block[32 + (32 * h) + i] >> (2 * j) & 3) + (4 * (block[i] >> (k / 32) & 1));
                return (Half(block, 108) * (ScaleOf3(block[96..], k / 16) - 32) * (third - 4), 0);
            case aios_dtype.Q4K:
                return (Half(block, 0) * ScaleOf45(block[4..], k / 32) * HalfByte(block[16 + (32 * (k / 64)) + i], k / 32), -Half(block, 2) * MinOf45(block[4..], k / 32));
            case aios_dtype.Q5K:
                int fifth = HalfByte(block[48 + (32 * (k / 64)) + i], k / 32) + (16 * (block[16 + i] >> (k / 32) & 1));
                return (Half(block, 0) * ScaleOf45(block[4..], k / 32) * fifth, -Half(block, 2) * MinOf45(block[4..], k / 32));
            case aios_dtype.Q6K:
                int lower = HalfByte(block[(64 * h) + (32 * (j % 2)) + i], j / 2);
                int sixth = lower + (16 * (block[128 + (32 * h) + i] >> (2 * j) & 3));
                return (Half(block, 208) * (sbyte)block[192 + (k / 16)] * (sixth - 32), 0);
            default:
                throw new ArgumentOutOfRangeException(nameof(format), format, "no block format");
        }
    }

    /// <summary>A float of 8 bits by its definition: sign, exponent, fraction.</summary>
    public static double Float8(aios_dtype format, byte x)
    {
        int fractionBits = format == aios_dtype.F8e4m3 ? 3 : 2;
        int exponents = 1 << (7 - fractionBits);
        int bias = (exponents / 2) - 1;
        int exponent = (x & 0x7F) >> fractionBits, fraction = x & ((1 << fractionBits) - 1);
        double sign = x >= 0x80 ? -1 : 1;
        double unit = Math.ScaleB(1, -fractionBits);
        if (format == aios_dtype.F8e4m3 ? (x & 0x7F) == 0x7F : exponent == exponents - 1)
        {
            return format == aios_dtype.F8e5m2 && fraction == 0 ? sign * double.PositiveInfinity : double.NaN;
        }

        return exponent == 0 ? sign * fraction * unit * Math.ScaleB(1, 1 - bias) : sign * (1 + (fraction * unit)) * Math.ScaleB(1, exponent - bias);
    }

    /// <summary>Four bits of weight k of 32.</summary>
    public static int Nibble(ReadOnlySpan<byte> codes, int k) => HalfByte(codes[k % 16], k / 16);

    private static int HalfByte(byte x, int half) => half % 2 == 0 ? x & 15 : x >> 4;

    private static int Bit(ReadOnlySpan<byte> bytes, int index) => bytes[index / 8] >> (index % 8) & 1;

    private static double Half(ReadOnlySpan<byte> block, int at) => (double)BinaryPrimitives.ReadHalfLittleEndian(block[at..]);

    private static int ScaleOf3(ReadOnlySpan<byte> packed, int g) =>
        HalfByte(packed[g % 8], g / 8) + (16 * (packed[8 + (g % 4)] >> (2 * (g / 4)) & 3));

    private static int ScaleOf45(ReadOnlySpan<byte> packed, int g) =>
        g < 4 ? packed[g] & 63 : (packed[g + 4] & 15) + (16 * (packed[g - 4] >> 6));

    private static int MinOf45(ReadOnlySpan<byte> packed, int g) =>
        g < 4 ? packed[g + 4] & 63 : (packed[g + 4] >> 4) + (16 * (packed[g] >> 6));
}

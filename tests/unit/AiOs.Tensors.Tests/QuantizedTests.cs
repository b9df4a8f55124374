using System.Buffers.Binary;
using AiOs.Interop;

namespace AiOs.Tensors.Tests;

/// <summary>Blocks written out by hand, how well the searches for scales do, and products with quantised weights.</summary>
public class QuantizedTests
{
    public unsafe QuantizedTests() => DeviceFixture.SkipWithout("quantised weights", kernels => kernels.aios_quantized_row_bytes(aios_dtype.Q80, 32));

    private static readonly int[] s_iq4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    public static TheoryData<QuantizedFormat> Formats => [.. Enum.GetValues<QuantizedFormat>()];

    public static TheoryData<QuantizedFormat, string, float[]> Blocks()
    {
        // 0x3800 is 0.5 in binary16, 0x3C00 is 1, 0xC000 is -2; numbers are little-endian.
        var data = new TheoryData<QuantizedFormat, string, float[]>
        {
            { QuantizedFormat.Q80, "0038" + "81" + "7F" + "00" + "01" + "FF" + Repeat("02", 27), [-63.5f, 63.5f, 0, 0.5f, -0.5f, .. Same(1, 27)] },

            // Low halves are the first sixteen weights: 0 1 2 ... 15; high halves the others: 15 14 ... 0.
            { QuantizedFormat.Q40, "0038" + Ramp, [.. Up(i => 0.5f * (i - 8)), .. Up(i => 0.5f * (7 - i))] },
            { QuantizedFormat.Q41, "0038" + "00C0" + Ramp, [.. Up(i => 0.5f * i - 2), .. Up(i => 0.5f * (15 - i) - 2)] },

            // The fifth bits are set for weights 0 to 15 in the one and for 16 to 31 in the other.
            { QuantizedFormat.Q50, "0038" + "0000FFFF" + Ramp, [.. Up(i => 0.5f * (i - 16)), .. Up(i => 0.5f * (15 - i))] },
            { QuantizedFormat.Q51, "0038" + "00C0" + "FFFF0000" + Ramp, [.. Up(i => 0.5f * (i + 16) - 2), .. Up(i => 0.5f * (15 - i) - 2)] },
            { QuantizedFormat.Iq4Nl, "0038" + Ramp, [.. Up(i => 0.5f * s_iq4[i]), .. Up(i => 0.5f * s_iq4[15 - i])] },

            // Scale 15 and minimum 15 in group 0, scale 1 and minimum 0 in the others. Byte 0xE4 holds the codes 0, 1, 2, 3
            // of four weights 32 apart, 0x1B holds 3, 2, 1, 0; d is 0.5, dmin is 1.
            {
                QuantizedFormat.Q2K, "FF" + Repeat("01", 15) + Repeat("E41B", 32) + "0038" + "003C",
                [.. Weights(256, k => (k < 16 ? 7.5f : 0.5f) * PairCode(k) - (k < 16 ? 15 : 0))]
            },

            // Third bits are set in even weights, whose lower bits are 0, 1, 2, 3 as above; odd ones have the code 0. Scales: group 0 has 0 (-32), groups 1 to 7 have
            // 33 (1), groups 8 to 15 have 35 (3): low halves 0, 1, ..., 1, high halves 3, and the upper two bits are 2 for all
            // but group 0.
            {
                QuantizedFormat.Q3K, Repeat("FF00", 16) + Repeat("E400", 32) + "30" + Repeat("31", 7) + "A8" + Repeat("AA", 3) + "0038",
                [.. Weights(256, k => 0.5f * (k < 16 ? -32 : k < 128 ? 1 : 3) * (k % 2 == 0 ? k / 32 % 4 : -4))]
            },

            // Scales 63, 1, 1, 1, 2, 2, 2, 2 and minima 63, 0, 0, 0, 17, 0, 0, 0. Byte 0xF0 holds 0 in the first group of its
            // pair and 15 in the second one, 0x0F the other way round.
            {
                QuantizedFormat.Q4K, "0038" + "003C" + "3F010101" + "7F000000" + "12020202" + Repeat("F00F", 64),
                [.. Weights(256, k => 0.5f * ScaleOf(k) * ((k + k / 32) % 2 == 0 ? 0 : 15) - MinOf(k))]
            },

            // The same with the fifth bit set wherever the lower four are.
            {
                QuantizedFormat.Q5K, "0038" + "003C" + "3F010101" + "7F000000" + "12020202" + Repeat("AA55", 16) + Repeat("F00F", 64),
                [.. Weights(256, k => 0.5f * ScaleOf(k) * ((k + k / 32) % 2 == 0 ? 0 : 31) - MinOf(k))]
            },

            // Scale -128 in group 0, 1 elsewhere. Even weights have 0 in their lower and upper bits, odd ones 15 and 3.
            {
                QuantizedFormat.Q6K, Repeat("00FF", 64) + Repeat("00FF", 32) + "80" + Repeat("01", 15) + "0038",
                [.. Weights(256, k => 0.5f * (k < 16 ? -128 : 1) * (k % 2 == 0 ? -32 : 31))]
            },
        };
        return data;
    }

    [Theory]
    [MemberData(nameof(Blocks))]
    public void A_block_written_by_hand_is_read_and_written(QuantizedFormat format, string hex, float[] weights)
    {
        using var device = new DeviceFixture();
        byte[] bytes = Convert.FromHexString(hex);
        using (var block = QuantizedTensor.From(device.Stream, format, 1, weights.Length, bytes))
        using (Tensor dense = block.Dequantize(device.Stream))
        {
            Assert.Equal(bytes.Length, block.Bytes);
            Assert.Equal(weights, device.Read(dense));
        }

        using Tensor source = device.Tensor(weights, 1, weights.Length);
        using var quantized = QuantizedTensor.Quantize(device.Stream, source, format);
        byte[] codes = new byte[quantized.RowBytes];
        quantized.CopyCodesTo(codes, device.Stream);
        Assert.Equal(hex, Convert.ToHexString(codes));
    }

    [Fact]
    public void Rows_with_scales_beside_them_are_read_and_written()
    {
        using var device = new DeviceFixture();

        // E4M3: 0x7E is 448, 0x38 is 1, 0x01 is 2^-9, 0xB8 is -1. E5M2: 0x7B is 57344, 0x3C is 1, 0x01 is 2^-16, 0xBC is -1.
        Check(QuantizedFormat.Float8E4M3, "7E3801B800", [224, 0.5f, 0.5f * MathF.ScaleB(1, -9), -0.5f, 0]);
        Check(QuantizedFormat.Float8E5M2, "7B3C01BC00", [28672, 0.5f, 0.5f * MathF.ScaleB(1, -16), -0.5f, 0]);
        Check(QuantizedFormat.Int8, "7F01FF8100", [63.5f, 0.5f, -0.5f, -63.5f, 0]);

        void Check(QuantizedFormat format, string hex, float[] weights)
        {
            using Tensor source = device.Tensor(weights, 1, weights.Length);
            using var quantized = QuantizedTensor.Quantize(device.Stream, source, format);
            using Tensor back = quantized.Dequantize(device.Stream);
            byte[] codes = new byte[quantized.RowBytes], scale = new byte[4];
            quantized.CopyCodesTo(codes, device.Stream);
            quantized.CopyScalesTo(scale, device.Stream);
            Assert.Equal(hex, Convert.ToHexString(codes));
            Assert.Equal(0.5f, BinaryPrimitives.ReadSingleLittleEndian(scale));
            Assert.Equal(weights, device.Read(back));
        }
    }

    [Fact]
    public void Groups_with_zero_points_are_read()
    {
        using var device = new DeviceFixture();

        // Two groups of 32, of which the second has 8 columns: scales 0.5 and 1, zero points 3 and 16.
        using var weights = QuantizedTensor.From(
            device.Stream, QuantizedFormat.Int4, 1, 40, Convert.FromHexString(Ramp + Ramp), Convert.FromHexString("0038003C"), [3, 16], 32);
        using Tensor dense = weights.Dequantize(device.Stream);
        Assert.Equal([.. Up(i => 0.5f * (i - 3)), .. Up(i => 0.5f * (12 - i)), .. Up(i => i - 16f).Take(8)], device.Read(dense));
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Quantisation_is_within_its_bound(QuantizedFormat format)
    {
        using var device = new DeviceFixture();
        foreach (bool zeroPoints in format == QuantizedFormat.Int4 ? new[] { false, true } : [false])
        {
            foreach (int columns in new[] { 512, 300, 7 })
            {
                const int Rows = 24;
                float[] values = DeviceFixture.Values(Rows * columns, 3);
                for (int i = 0; i < values.Length; i++)
                {
                    // Rows of all magnitudes; some are far from 0, some have outliers, one is 0.
                    int row = i / columns;
                    values[i] = row == 5 ? 0 : values[i] * MathF.ScaleB(1, row - 12) * (i % 37 == 0 ? 5 : 1) + (row % 4 == 1 ? 3 : 0);
                }

                using Tensor source = device.Tensor(values, Rows, columns);
                using var quantized = QuantizedTensor.Quantize(device.Stream, source, format, 64, zeroPoints);
                using Tensor back = quantized.Dequantize(device.Stream);
                byte[] codes = new byte[Rows * quantized.RowBytes];
                quantized.CopyCodesTo(codes, device.Stream);
                float[] got = device.Read(back);
                for (int row = 0; row < Rows; row++)
                {
                    QuantizationBound.Check(
                        format, zeroPoints, values.AsSpan(row * columns, columns), got.AsSpan(row * columns, columns),
                        codes.AsSpan((int)(row * quantized.RowBytes), (int)quantized.RowBytes));
                }
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_group_may_be_longer_than_a_row(bool zeroPoints)
    {
        using var device = new DeviceFixture();
        float[] values = DeviceFixture.Values(1500, 4);
        using Tensor source = device.Tensor(values, 1, 1500);
        using var quantized = QuantizedTensor.Quantize(device.Stream, source, QuantizedFormat.Int4, 2048, zeroPoints);
        using Tensor back = quantized.Dequantize(device.Stream);
        Assert.Equal(1, quantized.Groups);
        float[] got = device.Read(back);
        float step = zeroPoints ? (values.Max() - values.Min()) / 15 : values.Max(x => MathF.Abs(x)) / 8;
        for (int i = 0; i < values.Length; i++)
        {
            Assert.Equal(values[i], got[i], step * 1.01f);
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Products_are_those_of_the_dequantised_weights(QuantizedFormat format)
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        const int Inputs = 300, Outputs = 21;
        using Tensor source = device.Tensor(DeviceFixture.Values(Outputs * Inputs, 1), Outputs, Inputs);
        using Tensor x = device.Tensor(DeviceFixture.Values(2 * 5 * Inputs, 2), 2, 5, Inputs);
        using Tensor bias = device.Tensor(DeviceFixture.Values(Outputs, 3), Outputs);
        using var weights = QuantizedTensor.Quantize(device.Stream, source, format, 32);
        using Tensor dense = weights.Dequantize(device.Stream);
        Tensor product = Ops.QuantizedMatMul(tape, x, weights, bias);
        Assert.Equal([2L, 5, Outputs], product.Shape.ToArray());
        float[] got = device.Read(product), want = device.Read(Ops.LinearTransposed(tape, x, dense, bias));

        // Activations below 1.25 are rounded to multiples of 1.25 / 127, which 300 weights below 1.3 may add up.
        double allowed = format is QuantizedFormat.Int4 or QuantizedFormat.Float8E4M3 or QuantizedFormat.Float8E5M2
            ? 1e-3
            : 300 * 1.3 * 1.25 / 254;
        for (int i = 0; i < got.Length; i++)
        {
            Assert.Equal(want[i], got[i], allowed);
        }

        // A view is made dense; a row by itself gives what it gives among others, up to the order of its sum.
        float[] first = device.Read(Ops.QuantizedMatMul(tape, Ops.Slice(tape, x, 1, 0, 1), weights, bias));
        for (int i = 0; i < Outputs; i++)
        {
            Assert.Equal(got[i], first[i], 1e-3);
            Assert.Equal(got[(5 * Outputs) + i], first[Outputs + i], 1e-3);
        }
    }

    [Fact]
    public void Mistakes_are_named()
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        using Tensor source = device.Tensor(DeviceFixture.Values(64, 1), 2, 32);
        using var weights = QuantizedTensor.Quantize(device.Stream, source, QuantizedFormat.Q80);
        using Tensor x = device.Tensor(DeviceFixture.Values(31, 2), 1, 31), trained = device.Tensor(DeviceFixture.Values(32, 3), 32).WithGrad();
        Assert.Contains("[1, 31] and weight [2, 32]", Assert.Throws<ArgumentException>(() => Ops.QuantizedMatMul(tape, x, weights)).Message, StringComparison.Ordinal);
        Assert.Contains("no gradient", Assert.Throws<InvalidOperationException>(() => Ops.QuantizedMatMul(tape, trained, weights)).Message, StringComparison.Ordinal);
        using (var inference = new Tape(device.Stream, recording: false))
        {
            Assert.Equal([2L], Ops.QuantizedMatMul(inference, trained, weights).Shape.ToArray());
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => QuantizedTensor.Quantize(device.Stream, source, QuantizedFormat.Int4, 48));
        Assert.Throws<ArgumentException>(() => QuantizedTensor.Quantize(device.Stream, source, QuantizedFormat.Q40, zeroPoints: true));
        Assert.Throws<ArgumentException>(() => QuantizedTensor.From(device.Stream, QuantizedFormat.Q40, 1, 33, new byte[18]));
        Assert.Throws<ArgumentException>(() => QuantizedTensor.Quantize(device.Stream, trained, QuantizedFormat.Q40));
        weights.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Ops.QuantizedMatMul(tape, source, weights));
    }

    /// <summary>Sixteen bytes: i in the low half of byte i, 15 - i in its high half.</summary>
    private const string Ramp = "F0E1D2C3B4A5968778695A4B3C2D1E0F";

    private static string Repeat(string hex, int count) => string.Concat(Enumerable.Repeat(hex, count));

    private static IEnumerable<float> Same(float value, int count) => Enumerable.Repeat(value, count);

    private static IEnumerable<float> Up(Func<int, float> value) => Weights(16, value);

    private static IEnumerable<float> Weights(int count, Func<int, float> value) => Enumerable.Range(0, count).Select(value);

    /// <summary>The codes of 2 bits in alternating bytes 0xE4 and 0x1B.</summary>
    private static int PairCode(int k) => k % 2 == 0 ? k / 32 % 4 : 3 - (k / 32 % 4);

    private static int ScaleOf(int k) => k < 32 ? 63 : k < 128 ? 1 : 2;

    private static int MinOf(int k) => k < 32 ? 63 : k / 32 == 4 ? 17 : 0;
}

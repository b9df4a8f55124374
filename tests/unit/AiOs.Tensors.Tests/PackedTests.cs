using AiOs.Interop;

namespace AiOs.Tensors.Tests;

/// <summary>Products with packed weights, against sums in binary64.</summary>
public class PackedTests
{
    public PackedTests() => DeviceFixture.SkipWithout("packed weights", Size);

    [Theory]
    [InlineData(DType.F32, false)]
    [InlineData(DType.F32, true)]
    [InlineData(DType.BF16, false)]
    [InlineData(DType.BF16, true)]
    public void Products_are_sums_in_binary64(DType dtype, bool transposed)
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        foreach ((int inputs, int outputs) in new[] { (1, 1), (7, 3), (33, 49), (300, 97), (257, 16), (0, 5), (5, 0) })
        {
            // One packed matrix serves products of any number of rows; its source is gone by then.
            float[] weights = DeviceFixture.Values(inputs * outputs, 1);
            Tensor source = As(transposed ? device.Tensor(weights, outputs, inputs) : device.Tensor(weights, inputs, outputs));
            float[] w = ReadAs32(source);
            using var packed = PackedMatrix.Pack(device.Stream, source, transposed);
            source.Dispose();
            Assert.Equal((dtype, (long)inputs, (long)outputs), (packed.DType, packed.Rows, packed.Columns));
            foreach (int rows in new[] { 1, 5, 34 })
            {
                using Tensor x = As(device.Tensor(DeviceFixture.Values(2 * rows * inputs, 2), 2, rows, inputs));
                using Tensor bias = As(device.Tensor(DeviceFixture.Values(outputs, 3), outputs));
                Tensor plain = Ops.MatMul(tape, x, packed), biased = Ops.MatMul(tape, x, packed, bias);
                Assert.Equal([2L, rows, outputs], plain.Shape.ToArray());
                Assert.Equal(dtype, plain.DType);
                Check(2 * rows, ReadAs32(x), null, ReadAs32(plain));
                Check(2 * rows, ReadAs32(x), ReadAs32(bias), ReadAs32(biased));
            }

            void Check(int rows, float[] x, float[]? bias, float[] got)
            {
                for (int r = 0; r < rows; r++)
                {
                    for (int c = 0; c < outputs; c++)
                    {
                        double want = bias?[c] ?? 0, magnitude = Math.Abs(want);
                        for (int k = 0; k < inputs; k++)
                        {
                            double product = (double)x[(r * inputs) + k] * w[transposed ? (c * inputs) + k : (k * outputs) + c];
                            want += product;
                            magnitude += Math.Abs(product);
                        }

                        double rounding = dtype == DType.BF16 ? 1.01 / 256 * Math.Abs(want) : 0;
                        Assert.Equal(want, got[(r * outputs) + c], (magnitude * (inputs + 8) / (1 << 24)) + rounding);
                    }
                }
            }
        }

        Tensor As(Tensor tensor)
        {
            if (dtype == DType.F32)
            {
                return tensor;
            }

            using (tensor)
            {
                return tape.Keep(Ops.Cast(tape, tensor, dtype));
            }
        }

        float[] ReadAs32(Tensor tensor) => device.Read(dtype == DType.F32 ? tensor : Ops.Cast(tape, tensor, DType.F32));
    }

    [Fact]
    public void A_view_of_x_is_made_dense()
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        using Tensor source = device.Tensor(DeviceFixture.Values(12, 1), 3, 4);
        using var weights = PackedMatrix.Pack(device.Stream, source);
        using Tensor x = device.Tensor(DeviceFixture.Values(30, 2), 2, 5, 3);
        float[] all = device.Read(Ops.MatMul(tape, x, weights)), first = device.Read(Ops.MatMul(tape, Ops.Slice(tape, x, 1, 0, 1), weights));
        Assert.Equal([.. all[..4], .. all[20..24]], first);
    }

    [Fact]
    public void Mistakes_are_named()
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        using Tensor source = device.Tensor(DeviceFixture.Values(64, 1), 2, 32);
        using var weights = PackedMatrix.Pack(device.Stream, source, transposed: true);
        using Tensor x = device.Tensor(DeviceFixture.Values(31, 2), 1, 31), trained = device.Tensor(DeviceFixture.Values(32, 3), 32).WithGrad();
        using Tensor bias = device.Tensor([1, 2, 3], 3), indices = device.Indices([1, 2], 1, 2);
        Contains("x [1, 31] and weight [32, 2] do not go together", Assert.Throws<ArgumentException>(() => Ops.MatMul(tape, x, weights)));
        Contains("bias has shape [3]", Assert.Throws<ArgumentException>(() => Ops.MatMul(tape, source, weights, bias)));
        Contains("x is BF16 and weight is F32", Assert.Throws<ArgumentException>(() => Ops.MatMul(tape, Ops.Cast(tape, source, DType.BF16), weights)));
        Contains("no gradient", Assert.Throws<InvalidOperationException>(() => Ops.MatMul(tape, trained, weights)));
        using (var inference = new Tape(device.Stream, recording: false))
        {
            Assert.Equal([2L], Ops.MatMul(inference, trained, weights).Shape.ToArray());
        }

        Contains("must be F32 or BF16", Assert.Throws<ArgumentException>(() => PackedMatrix.Pack(device.Stream, indices)));
        Contains("its rank must be 2", Assert.Throws<ArgumentException>(() => PackedMatrix.Pack(device.Stream, trained)));
        Contains("not contiguous", Assert.Throws<ArgumentException>(() => PackedMatrix.Pack(device.Stream, Ops.Slice(tape, source, 1, 0, 5))));
        Assert.Throws<ArgumentNullException>(() => Ops.MatMul(tape, source, (PackedMatrix)null!));
        weights.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Ops.MatMul(tape, source, weights));

        static void Contains(string text, Exception e) => Assert.Contains(text, e.Message, StringComparison.Ordinal);
    }

    private static unsafe long Size(KernelTable kernels)
    {
        var desc = new aios_gemm_desc { m = 1, n = 1, k = 1, batch = 1, lda = 1, ldb = 1, ldc = 1 };
        return kernels.aios_gemm_packed_size(&desc);
    }
}

namespace AiOs.Tensors.Tests;

/// <summary>Shapes, strides and index arithmetic of the ops against plain loops in binary64.</summary>
public class ForwardTests
{
    [Theory]
    [InlineData(new long[] { 2, 3 }, new long[] { 2, 3 }, new long[] { 2, 3 })]
    [InlineData(new long[] { 2, 1, 4 }, new long[] { 3, 1 }, new long[] { 2, 3, 4 })]
    [InlineData(new long[] { 5 }, new long[] { 2, 1, 1 }, new long[] { 2, 1, 5 })]
    [InlineData(new long[] { }, new long[] { 2, 2 }, new long[] { 2, 2 })]
    [InlineData(new long[] { 0, 3 }, new long[] { 1 }, new long[] { 0, 3 })]
    public void Binary_ops_broadcast(long[] a, long[] b, long[] expected)
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        float[] x = DeviceFixture.Values(GradientCheck.Product(a), 1), y = DeviceFixture.Values(GradientCheck.Product(b), 2);
        using Tensor left = device.Tensor(x, a), right = device.Tensor(y, b);
        Tensor difference = Ops.Sub(tape, left, right);
        Assert.Equal(expected, difference.Shape.ToArray());
        float[] got = device.Read(difference);
        for (int i = 0; i < got.Length; i++)
        {
            Assert.Equal(x[Broadcast(i, expected, a)] - y[Broadcast(i, expected, b)], got[i]);
        }
    }

    [Fact]
    public void Views_show_the_right_elements()
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        float[] values = [.. Enumerable.Range(0, 24).Select(i => (float)i)];
        using Tensor x = device.Tensor(values, 2, 3, 4);
        Tensor permuted = Ops.Permute(tape, x, 2, 0, 1);
        Assert.Equal([4L, 2, 3], permuted.Shape.ToArray());
        Assert.Equal([1L, 12, 4], permuted.Strides.ToArray());
        Assert.False(permuted.IsContiguous);
        Tensor part = Ops.Slice(tape, permuted, 0, 1, 2);
        Assert.Equal(Enumerable.Range(0, 12).Select(i => (float)(1 + i / 6 + i % 6 / 3 * 12 + i % 3 * 4)), device.Read(part));
        Assert.Equal(device.Read(part), device.Read(Ops.Reshape(tape, part, -1)));
        Assert.True(Ops.Reshape(tape, x, 4, -1).Pointer == x.Pointer, "reshaping a contiguous tensor is a view");
        Assert.Equal(x, Ops.Contiguous(tape, x));
        Assert.Equal([0f, 0, 1, 1], device.Read(Ops.Expand(tape, Ops.Reshape(tape, Ops.Slice(tape, Ops.Reshape(tape, x, 24), 0, 0, 2), 2, 1), 2, 2)));
        Tensor joined = Ops.Concat(tape, 1, Ops.Slice(tape, x, 1, 2, 1), Ops.Slice(tape, x, 1, 0, 1));
        Assert.Equal([8f, 9, 10, 11, 0, 1, 2, 3, 20, 21, 22, 23, 12, 13, 14, 15], device.Read(joined));
    }

    [Theory]
    [InlineData(new long[] { 2, 3 }, new long[] { 3, 4 })]
    [InlineData(new long[] { 5, 2, 3 }, new long[] { 3, 4 })]
    [InlineData(new long[] { 2, 3 }, new long[] { 5, 3, 4 })]
    [InlineData(new long[] { 2, 1, 2, 3 }, new long[] { 3, 3, 4 })]
    [InlineData(new long[] { 2, 3, 1, 3 }, new long[] { 2, 1, 3, 1 })]
    [InlineData(new long[] { 2, 0 }, new long[] { 0, 2 })]
    public void Matrix_products_broadcast_their_batch(long[] a, long[] b)
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        float[] x = DeviceFixture.Values(GradientCheck.Product(a), 1), y = DeviceFixture.Values(GradientCheck.Product(b), 2);
        using Tensor left = device.Tensor(x, a), right = device.Tensor(y, b);
        Tensor product = Ops.MatMul(tape, left, right);
        long m = a[^2], k = a[^1], n = b[^1];
        long[] batch = product.Shape[..^2].ToArray();
        float[] got = device.Read(product);
        for (int i = 0; i < got.Length; i++)
        {
            long matrix = i / (m * n), row = i / n % m, column = i % n;
            long ofA = Broadcast(matrix, batch, a[..^2]) * m * k, ofB = Broadcast(matrix, batch, b[..^2]) * k * n;
            double sum = 0;
            for (long p = 0; p < k; p++)
            {
                sum += (double)x[ofA + row * k + p] * y[ofB + p * n + column];
            }

            Assert.Equal(sum, got[i], 1e-5);
        }

        // Transposed views give the same without a copy.
        Tensor turned = Ops.Contiguous(tape, Ops.Transpose(tape, right, -1, -2));
        Assert.Equal(got, device.Read(Ops.MatMul(tape, left, Ops.Transpose(tape, turned, -1, -2))), (p, q) => Math.Abs(p - q) < 1e-5f);
    }

    [Fact]
    public void Linear_is_product_bias_activation_residual()
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        using Tensor x = device.Tensor(DeviceFixture.Values(30, 1), 2, 5, 3), w = device.Tensor(DeviceFixture.Values(12, 2), 3, 4);
        using Tensor b = device.Tensor(DeviceFixture.Values(4, 3), 4), r = device.Tensor(DeviceFixture.Values(40, 4), 2, 5, 4);
        Tensor parts = Ops.Add(tape, Ops.Gelu(tape, Ops.Add(tape, Ops.MatMul(tape, x, w), b), GeluKind.Tanh), r);
        Tensor fused = Ops.Linear(tape, x, w, b, Activation.GeluTanh, r);
        Assert.Equal([2L, 5, 4], fused.Shape.ToArray());
        Assert.Equal(device.Read(parts), device.Read(fused), (p, q) => Math.Abs(p - q) < 1e-5f);
        Tensor turned = Ops.Contiguous(tape, Ops.Transpose(tape, w, 0, 1));
        Assert.Equal(
            device.Read(Ops.Linear(tape, x, w, b)), device.Read(Ops.LinearTransposed(tape, x, turned, b)), (p, q) => Math.Abs(p - q) < 1e-5f);
    }

    [Theory]
    [InlineData(null, false, new long[] { })]
    [InlineData(null, true, new long[] { 1, 1, 1 })]
    [InlineData(0, false, new long[] { 3, 4 })]
    [InlineData(1, true, new long[] { 2, 1, 4 })]
    [InlineData(-1, false, new long[] { 2, 3 })]
    public void Reductions_reduce_their_dimension(int? dim, bool keep, long[] expected)
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        float[] values = DeviceFixture.Values(24, 1);
        long[] shape = [2, 3, 4];
        using Tensor x = device.Tensor(values, shape);
        Tensor sum = Ops.Sum(tape, x, dim, keep);
        Assert.Equal(expected, sum.Shape.ToArray());
        long[] kept = [.. shape.Select((extent, d) => dim is null || d == (dim + 3) % 3 ? 1 : extent)];
        double[] sums = new double[sum.Length], most = new double[sum.Length];
        Array.Fill(most, double.NegativeInfinity);
        for (int i = 0; i < 24; i++)
        {
            long at = Broadcast(i, shape, kept);
            sums[at] += values[i];
            most[at] = Math.Max(most[at], values[i]);
        }

        float[] got = device.Read(sum), mean = device.Read(Ops.Mean(tape, x, dim, keep));
        float[] max = device.Read(Ops.Max(tape, x, dim, keep)), min = device.Read(Ops.Min(tape, Ops.Affine(tape, x, -1, 0), dim, keep));
        for (int i = 0; i < sums.Length; i++)
        {
            Assert.Equal(sums[i], got[i], 1e-5);
            Assert.Equal(sums[i] * sums.Length / 24, mean[i], 1e-5);
            Assert.Equal(most[i], max[i]);
            Assert.Equal(-most[i], min[i]);
        }
    }

    [Fact]
    public void ArgMax_finds_the_first_greatest()
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        using Tensor x = device.Tensor([1, 5, 5, 2, 9, 0], 2, 3);
        int[] rows = new int[2], columns = new int[3];
        Ops.ArgMax(tape, x).CopyTo<int>(rows, device.Stream);
        Ops.ArgMax(tape, x, 0, true).CopyTo<int>(columns, device.Stream);
        Assert.Equal([1, 1], rows);
        Assert.Equal([1, 1, 0], columns);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Attention_is_the_softmax_of_products(bool causal)
    {
        const int Batch = 2, Heads = 2, Length = 5, Size = 4;
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        using Tensor qkv = device.Tensor(DeviceFixture.Values(Batch * Length * 3 * Heads * Size, 1), Batch, Length, 3, Heads, Size);
        Tensor Part(int index) => Ops.Permute(
            tape, Ops.Reshape(tape, Ops.Slice(tape, qkv, 2, index, 1), Batch, Length, Heads, Size), 0, 2, 1, 3);
        Tensor q = Part(0), k = Part(1), v = Part(2);
        float[] a = device.Read(q), b = device.Read(k), c = device.Read(v);
        double[] expected = new double[a.Length];
        for (int head = 0; head < Batch * Heads; head++)
        {
            for (int i = 0; i < Length; i++)
            {
                int seen = causal ? i + 1 : Length;
                double[] weights = [.. Enumerable.Range(0, seen).Select(j => Math.Exp(Enumerable.Range(0, Size)
                    .Sum(d => (double)a[(head * Length + i) * Size + d] * b[(head * Length + j) * Size + d]) / Math.Sqrt(Size)))];
                for (int d = 0; d < Size; d++)
                {
                    expected[(head * Length + i) * Size + d] =
                        weights.Select((weight, j) => weight * c[(head * Length + j) * Size + d]).Sum() / weights.Sum();
                }
            }
        }

        float[] got = device.Read(Ops.Attention(tape, q, k, v, causal));
        float[] packed = device.Read(Ops.Permute(
            tape,
            Ops.Reshape(tape, Ops.SelfAttention(tape, Ops.Reshape(tape, qkv, Batch, Length, -1), Heads, causal), Batch, Length, Heads, Size),
            0, 2, 1, 3));
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i], got[i], 1e-5);
            Assert.Equal(expected[i], packed[i], 1e-5);
        }
    }

    [Fact]
    public void Casts_and_bf16_arithmetic()
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        float[] values = DeviceFixture.Values(100, 1);
        using Tensor x = device.Tensor(values, 100);
        Tensor half = Ops.Cast(tape, x, DType.BF16);
        BFloat16[] bits = new BFloat16[100];
        half.CopyTo<BFloat16>(bits, device.Stream);
        Assert.Equal(Array.ConvertAll(values, value => (BFloat16)value), bits);
        Assert.Equal(Array.ConvertAll(bits, value => (float)value), device.Read(Ops.Cast(tape, half, DType.F32)));
        Ops.Add(tape, half, half).CopyTo<BFloat16>(bits, device.Stream);
        Assert.Equal(Array.ConvertAll(values, value => (BFloat16)(2 * (float)(BFloat16)value)), bits);
        Half[] halves = new Half[100];
        Ops.Cast(tape, x, DType.F16).CopyTo<Half>(halves, device.Stream);
        Assert.Equal(Array.ConvertAll(values, value => (Half)value), halves);
    }

    /// <summary>Where element i of a broadcast shape lies in a tensor of the smaller shape.</summary>
    private static long Broadcast(long i, long[] shape, long[] smaller)
    {
        long at = 0, stride = 1;
        for (int d = 1; d <= smaller.Length; d++)
        {
            at += smaller[^d] == 1 ? 0 : i % shape[^d] * stride;
            stride *= smaller[^d];
            i /= shape[^d];
        }

        return at;
    }
}

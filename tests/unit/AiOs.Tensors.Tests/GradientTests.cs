namespace AiOs.Tensors.Tests;

/// <summary>Every differentiable op against finite differences, also broadcast, on views and over several passes.</summary>
public class GradientTests
{
    public static TheoryData<string> UnaryOps => [.. Unary.Keys];

    public static TheoryData<string> BinaryOps => [.. Binary.Keys];

    private static readonly Dictionary<string, Func<Tape, Tensor, Tensor>> Unary = new()
    {
        ["Affine"] = (tape, x) => Ops.Affine(tape, x, -1.5f, 0.5f),
        ["Abs"] = Ops.Abs,
        ["Square"] = Ops.Square,
        ["Exp"] = Ops.Exp,
        ["Tanh"] = Ops.Tanh,
        ["Sigmoid"] = Ops.Sigmoid,
        ["Relu"] = Ops.Relu,
        ["Gelu"] = (tape, x) => Ops.Gelu(tape, x),
        ["GeluTanh"] = (tape, x) => Ops.Gelu(tape, x, GeluKind.Tanh),
        ["Silu"] = Ops.Silu,
        ["Sqrt"] = (tape, x) => Ops.Sqrt(tape, Positive(tape, x)),
        ["Rsqrt"] = (tape, x) => Ops.Rsqrt(tape, Positive(tape, x)),
        ["Reciprocal"] = (tape, x) => Ops.Reciprocal(tape, Positive(tape, x)),
        ["Log"] = (tape, x) => Ops.Log(tape, Positive(tape, x)),
        ["Softmax"] = Ops.Softmax,
        ["Contiguous"] = (tape, x) => Ops.Contiguous(tape, Ops.Transpose(tape, x, 0, 1)),
        ["SwiGlu"] = Ops.SwiGlu,
        ["Dropout"] = (tape, x) =>
        {
            tape.SeedRandom(5, 3);
            return Ops.Dropout(tape, x, 0.4f);
        },
        ["Cast"] = (tape, x) => Ops.Cast(tape, Ops.Cast(tape, x, DType.F32), DType.F32),
    };

    private static readonly Dictionary<string, Func<Tape, Tensor, Tensor, Tensor>> Binary = new()
    {
        ["Add"] = Ops.Add,
        ["Sub"] = Ops.Sub,
        ["Mul"] = Ops.Mul,
        ["Div"] = (tape, a, b) => Ops.Div(tape, a, Positive(tape, b)),
        ["Maximum"] = (tape, a, b) => Ops.Maximum(tape, a, Ops.Affine(tape, b, 16, 0)),
        ["Minimum"] = (tape, a, b) => Ops.Minimum(tape, a, Ops.Affine(tape, b, 16, 0)),
    };

    [Theory]
    [MemberData(nameof(UnaryOps))]
    public void Unary_ops(string op)
    {
        GradientCheck.Run((tape, x) => Unary[op](tape, x[0]), [3, 4]);
        GradientCheck.Run((tape, x) => Unary[op](tape, Ops.Slice(tape, Ops.Permute(tape, x[0], 2, 0, 1), 1, 1, 2)), [3, 4, 2]);
    }

    [Theory]
    [MemberData(nameof(BinaryOps))]
    public void Binary_ops_and_their_broadcasting(string op)
    {
        (long[] A, long[] B)[] cases =
        [
            ([2, 3], [2, 3]), ([2, 3], [3]), ([3], [2, 3]), ([2, 1, 4], [3, 1]), ([2, 3, 2, 3], [3, 1, 3]), ([2, 3, 2, 3], [1, 2, 1]),
            ([2, 2], []), ([1, 3], [2, 1]), ([2, 1, 2, 1, 2], [1, 3, 1, 2, 1]),
        ];
        foreach ((long[] a, long[] b) in cases)
        {
            GradientCheck.Run((tape, x) => Binary[op](tape, x[0], x[1]), a, b);
        }

        GradientCheck.Run((tape, x) => Binary[op](tape, Ops.Transpose(tape, x[0], 0, 1), Ops.Slice(tape, x[1], 1, 1, 3)), [3, 2], [2, 5]);
    }

    [Fact]
    public void An_op_on_the_same_tensor_twice()
    {
        GradientCheck.Run((tape, x) => Ops.Mul(tape, x[0], x[0]), [4]);
        GradientCheck.Run((tape, x) => Ops.Add(tape, x[0], x[0]), [4]);
        GradientCheck.Run((tape, x) => Ops.Sub(tape, Ops.Square(tape, x[0]), x[0]), [4]);
        GradientCheck.Run((tape, x) => Ops.MatMul(tape, x[0], x[0]), [3, 3]);
    }

    [Fact]
    public void A_gradient_that_two_branches_share_is_not_written_over()
    {
        // Both inputs of Add see the same gradient buffer; then each branch adds to its own.
        GradientCheck.Run(
            (tape, x) =>
            {
                Tensor a = Ops.Affine(tape, x[0], 2, 0), b = Ops.Affine(tape, x[1], 3, 0);
                Tensor sum = Ops.Add(tape, a, b);
                return Ops.Add(tape, Ops.Add(tape, sum, Ops.Mul(tape, a, a)), Ops.Tanh(tape, b));
            },
            [2, 3],
            [2, 3]);
        GradientCheck.Run(
            (tape, x) =>
            {
                // The product adds to a gradient that it finds shared.
                Tensor a = Ops.Affine(tape, x[0], 2, 0), b = Ops.Affine(tape, x[1], 3, 0);
                Tensor product = Ops.Linear(tape, a, x[2]);
                return Ops.Add(tape, product, Ops.Add(tape, a, b));
            },
            [2, 3],
            [2, 3],
            [3, 3]);
        GradientCheck.Run(
            (tape, x) =>
            {
                // The gradient of a meets one that b shares with one that c shares.
                Tensor a = Ops.Affine(tape, x[0], 2, 0), b = Ops.Affine(tape, x[1], 3, 0), c = Ops.Affine(tape, x[2], 4, 0);
                return Ops.Add(tape, Ops.Square(tape, Ops.Add(tape, a, b)), Ops.Tanh(tape, Ops.Add(tape, a, c)));
            },
            [2, 3],
            [2, 3],
            [2, 3]);
        GradientCheck.Run(
            (tape, x) =>
            {
                Tensor y = Ops.Reshape(tape, x[0], 6);
                return Ops.Add(tape, Ops.Exp(tape, y), Ops.Add(tape, y, Ops.Reshape(tape, x[0], -1)));
            },
            [2, 3]);
    }

    [Fact]
    public void Views()
    {
        GradientCheck.Run((tape, x) => Ops.Reshape(tape, x[0], 3, -1), [2, 3, 2]);
        GradientCheck.Run((tape, x) => Ops.Permute(tape, x[0], 1, 2, 0), [2, 3, 2]);
        GradientCheck.Run((tape, x) => Ops.Square(tape, Ops.Reshape(tape, Ops.Transpose(tape, x[0], -1, -2), 12)), [2, 3, 2]);
        GradientCheck.Run((tape, x) => Ops.Slice(tape, x[0], -1, 1, 2), [2, 4]);
        GradientCheck.Run(
            (tape, x) => Ops.Add(tape, Ops.Slice(tape, x[0], 0, 0, 2), Ops.Square(tape, Ops.Slice(tape, x[0], 0, 1, 2))), [3, 2]);
        GradientCheck.Run((tape, x) => Ops.Square(tape, Ops.Expand(tape, x[0], 2, 3, 2)), [3, 1]);
        GradientCheck.Run((tape, x) => Ops.Square(tape, Ops.Concat(tape, 1, x[0], x[1], x[0])), [2, 3], [2, 1]);
        GradientCheck.Run((tape, x) => Ops.Concat(tape, -2, Ops.Transpose(tape, x[0], 0, 1), x[1]), [3, 2], [1, 3]);
    }

    [Fact]
    public void Reductions()
    {
        foreach (int? dim in new int?[] { null, 0, 1, -1 })
        {
            foreach (bool keep in new[] { false, true })
            {
                GradientCheck.Run((tape, x) => Ops.Square(tape, Ops.Sum(tape, x[0], dim, keep)), [2, 3, 2]);
                GradientCheck.Run((tape, x) => Ops.Square(tape, Ops.Mean(tape, x[0], dim, keep)), [2, 3, 2]);
                GradientCheck.Run((tape, x) => Ops.Max(tape, Spread(tape, x[0]), dim, keep), [2, 3, 2]);
                GradientCheck.Run((tape, x) => Ops.Min(tape, Spread(tape, x[0]), dim, keep), [2, 3, 2]);
            }
        }
    }

    [Fact]
    public void Matrix_products()
    {
        GradientCheck.Run((tape, x) => Ops.MatMul(tape, x[0], x[1]), [2, 3], [3, 4]);
        GradientCheck.Run((tape, x) => Ops.MatMul(tape, x[0], x[1]), [2, 2, 3], [2, 3, 2]);
        GradientCheck.Run((tape, x) => Ops.MatMul(tape, x[0], x[1]), [2, 2, 3], [3, 2]);
        GradientCheck.Run((tape, x) => Ops.MatMul(tape, x[0], x[1]), [2, 3], [2, 3, 2]);
        GradientCheck.Run((tape, x) => Ops.MatMul(tape, x[0], x[1]), [2, 1, 2, 3], [3, 3, 2]);
        GradientCheck.Run((tape, x) => Ops.MatMul(tape, x[0], x[1]), [2, 3, 2, 3], [2, 1, 3, 1]);
        GradientCheck.Run((tape, x) => Ops.MatMul(tape, Ops.Transpose(tape, x[0], -1, -2), Ops.Transpose(tape, x[1], 0, 1)), [2, 3, 2], [4, 3]);
        GradientCheck.Run((tape, x) => Ops.MatMul(tape, Ops.Permute(tape, x[0], 1, 0, 2), x[1]), [2, 3, 2], [2, 2]);
    }

    [Fact]
    public void Linear_with_every_epilogue()
    {
        GradientCheck.Run((tape, x) => Ops.Linear(tape, x[0], x[1]), [2, 3, 4], [4, 5]);
        GradientCheck.Run((tape, x) => Ops.Linear(tape, x[0], x[1], x[2]), [5, 3], [3, 2], [2]);
        GradientCheck.Run((tape, x) => Ops.Linear(tape, x[0], x[1], x[2], Activation.GeluTanh), [5, 3], [3, 2], [2]);
        GradientCheck.Run((tape, x) => Ops.Linear(tape, x[0], x[1], default, Activation.GeluTanh, x[2]), [5, 3], [3, 2], [5, 2]);
        GradientCheck.Run((tape, x) => Ops.Linear(tape, x[0], x[1], x[2], Activation.None, x[3]), [2, 2, 3], [3, 2], [2], [2, 2, 2]);
        GradientCheck.Run((tape, x) => Ops.Linear(tape, Ops.Transpose(tape, x[0], 0, 1), x[1], residual: x[0]), [3, 3], [3, 3]);
        GradientCheck.Run((tape, x) => Ops.LinearTransposed(tape, x[0], x[1]), [2, 3, 4], [5, 4]);
        GradientCheck.Run((tape, x) => Ops.LinearTransposed(tape, x[0], x[1], x[2]), [3, 4], [2, 4], [2]);
    }

    [Fact]
    public void Norms()
    {
        GradientCheck.Run((tape, x) => Ops.LayerNorm(tape, x[0], x[1], x[2]), [3, 6], [6], [6]);
        GradientCheck.Run((tape, x) => Ops.LayerNorm(tape, x[0], x[1]), [2, 2, 5], [5]);
        GradientCheck.Run((tape, x) => Ops.LayerNorm(tape, x[0]), [3, 6]);
        GradientCheck.Run((tape, x) => Ops.LayerNorm(tape, x[0], default, x[1]), [3, 6], [6]);
        GradientCheck.Run((tape, x) => Ops.Add(tape, Ops.LayerNorm(tape, x[0], x[1], x[2]), Ops.Mul(tape, x[0], x[1])), [3, 6], [6], [6]);
        GradientCheck.Run((tape, x) => Ops.RmsNorm(tape, x[0], x[1]), [3, 6], [6]);
        GradientCheck.Run((tape, x) => Ops.RmsNorm(tape, x[0]), [2, 2, 5]);
    }

    [Fact]
    public void Norm_parameters_of_a_constant_input()
    {
        GradientCheck.Run(
            (tape, x) => Ops.LayerNorm(tape, Constant(tape, DeviceFixture.Values(12, 4), [3, 4]), x[0], x[1]), [4], [4]);
    }

    [Fact]
    public void Indexing()
    {
        GradientCheck.Run((tape, x) => Ops.Embedding(tape, Ids(tape, [2, 2], 2, 0, 2, 1), x[0]), [4, 3]);
        GradientCheck.Run((tape, x) => Ops.Gather(tape, x[0], 1, Ids(tape, [4], 2, 0, 2, 1)), [2, 3, 2]);
        GradientCheck.Run((tape, x) => Ops.ScatterAdd(tape, x[0], 1, Ids(tape, [2], 2, 2), x[1]), [2, 3, 2], [2, 2, 2]);
        GradientCheck.Run(
            (tape, x) => Ops.LinearTransposed(tape, Ops.Embedding(tape, Ids(tape, [3], 1, 1, 0), x[0]), x[0]), [4, 3]);
    }

    [Fact]
    public void Attention_of_every_kind()
    {
        GradientCheck.Run((tape, x) => Ops.Attention(tape, x[0], x[1], x[2]), [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]);
        GradientCheck.Run((tape, x) => Ops.Attention(tape, x[0], x[1], x[2], false, 0.7f), [2, 2, 2, 3], [2, 1, 3, 3], [2, 1, 3, 3]);
        GradientCheck.Run(
            (tape, x) => Ops.Attention(tape, Ops.Transpose(tape, x[0], 1, 2), Ops.Transpose(tape, x[1], 1, 2), x[2]),
            [1, 2, 2, 3], [1, 4, 2, 3], [1, 2, 4, 3]);
        GradientCheck.Run((tape, x) => Ops.SelfAttention(tape, x[0], 2), [2, 3, 12]);
        GradientCheck.Run((tape, x) => Ops.SelfAttention(tape, x[0], 1, false), [1, 3, 6]);
    }

    [Fact]
    public void Rotary_positions()
    {
        GradientCheck.Run((tape, x) => Ops.Rope(tape, x[0]), [1, 3, 2, 4]);
        GradientCheck.Run((tape, x) => Ops.Rope(tape, x[0], Ids(tape, [3], 7, 0, 2), 100f, true), [2, 3, 1, 4]);
    }

    [Fact]
    public void Cross_entropy()
    {
        GradientCheck.Run((tape, x) => Ops.CrossEntropy(tape, x[0], Ids(tape, [3], 1, -1, 0)), [3, 4]);
        GradientCheck.Run((tape, x) => Ops.CrossEntropy(tape, Ops.Affine(tape, x[0], 2, 0), Ids(tape, [2, 2], 1, 2, 0, 3)), [2, 2, 4]);
        GradientCheck.Run(
            (tape, x) =>
            {
                // The logits are saved by another op too: the loss must not write over them.
                Tensor logits = Ops.Affine(tape, x[0], 2, 0);
                Tensor other = Ops.Sum(tape, Ops.Square(tape, logits));
                return Ops.Add(tape, Ops.CrossEntropy(tape, logits, Ids(tape, [3], 1, 2, 0)), other);
            },
            [3, 4]);
        GradientCheck.Run(
            (tape, x) =>
            {
                // The same with the other op recorded later.
                Tensor logits = Ops.Affine(tape, x[0], 2, 0);
                Tensor loss = Ops.CrossEntropy(tape, Ops.Reshape(tape, logits, 3, 4), Ids(tape, [3], 1, 2, 0));
                return Ops.Add(tape, Ops.Sum(tape, Ops.Tanh(tape, Ops.Square(tape, logits))), loss);
            },
            [3, 2, 2]);
    }

    private static Tensor Positive(Tape tape, Tensor x) => Ops.Affine(tape, Ops.Square(tape, x), 1, 1f);

    /// <summary>Moves elements apart, so that a step of the finite difference does not change which one is greatest.</summary>
    private static Tensor Spread(Tape tape, Tensor x)
    {
        float[] steps = [.. Enumerable.Range(0, (int)x.Length).Select(i => i * 7 % 11 * 5f)];
        return Ops.Add(tape, x, Constant(tape, steps, x.Shape));
    }

    private static Tensor Ids(Tape tape, long[] shape, params int[] ids) => Constant(tape, ids, shape);

    /// <summary>Values of the host as a tensor that the tape disposes.</summary>
    private static Tensor Constant<T>(Tape tape, T[] values, ReadOnlySpan<long> shape)
        where T : unmanaged => new(tape.Adopt(Tensor.From<T>(tape.Stream, values, shape).Body));
}

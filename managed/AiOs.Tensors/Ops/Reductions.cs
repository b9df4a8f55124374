using AiOs.Interop;

namespace AiOs.Tensors;

/// <content>Reductions over one dimension or all of them.</content>
public static partial class Ops
{
    /// <summary>Sum.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">Any shape.</param>
    /// <param name="dim">The dimension, from the end when negative; all of them when null.</param>
    /// <param name="keepDim">Leaves the reduced dimension in place with extent 1.</param>
    /// <returns>The shape of x without the dimension; a scalar (rank 0) when all are reduced.</returns>
    public static unsafe Tensor Sum(Tape tape, Tensor x, int? dim = null, bool keepDim = false) =>
        Reduce("Sum", tape, x, dim, keepDim, aios_reduce_op.Sum, &SumBackward);

    /// <summary>Arithmetic mean.</summary>
    /// <inheritdoc cref="Sum"/>
    public static unsafe Tensor Mean(Tape tape, Tensor x, int? dim = null, bool keepDim = false) =>
        Reduce("Mean", tape, x, dim, keepDim, aios_reduce_op.Mean, &SumBackward);

    /// <summary>Greatest element, NaN when any is; ties share the gradient equally.</summary>
    /// <inheritdoc cref="Sum"/>
    public static unsafe Tensor Max(Tape tape, Tensor x, int? dim = null, bool keepDim = false) =>
        Reduce("Max", tape, x, dim, keepDim, aios_reduce_op.Max, &ExtremeBackward);

    /// <summary>Least element, NaN when any is; ties share the gradient equally.</summary>
    /// <inheritdoc cref="Sum"/>
    public static unsafe Tensor Min(Tape tape, Tensor x, int? dim = null, bool keepDim = false) =>
        Reduce("Min", tape, x, dim, keepDim, aios_reduce_op.Min, &ExtremeBackward);

    /// <summary>Index of the first greatest element along a dimension; the first NaN counts as greatest. No gradient.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">Any shape whose dimension <paramref name="dim"/> is not empty.</param>
    /// <param name="dim">The dimension; from the end when negative.</param>
    /// <param name="keepDim">Leaves the dimension in place with extent 1.</param>
    /// <returns>I32, the shape of x without the dimension.</returns>
    public static unsafe Tensor ArgMax(Tape tape, Tensor x, int dim = -1, bool keepDim = false)
    {
        TensorBody a = Require.Input("ArgMax", "x", tape, x);
        Require.Floating("ArgMax", "x", a);
        dim = Require.Dimension("ArgMax", dim, a.Rank);
        if (a.Shape[dim] == 0)
        {
            Require.Throw($"ArgMax: dimension {dim} of {Require.Text(a)} is empty");
        }

        a = Dense(tape, a);
        Extents shape = default;
        int rank = ReducedShape(a, dim, keepDim, shape);
        TensorBody result = tape.Output(DType.I32, ((Span<long>)shape)[..rank]);
        (long outer, long axis, long inner) = Around(a, dim);
        tape.Stream.Check(
            tape.Stream.Device.Kernels.aios_argmax(
                tape.Stream.Handle, (int*)result.Pointer, (void*)a.Pointer, outer, axis, inner, a.DType.Native()),
            "aios_argmax");
        return new Tensor(result);
    }

    private static unsafe Tensor Reduce(
        string op, Tape tape, Tensor x, int? dim, bool keepDim, aios_reduce_op function, delegate*<Tape, ref Node, void> backward)
    {
        TensorBody a = Require.Input(op, "x", tape, x);
        Require.Floating(op, "x", a);
        int d = dim is { } given ? Require.Dimension(op, given, a.Rank) : -1;
        a = Dense(tape, a);
        Extents shape = default;
        int rank = ReducedShape(a, d, keepDim, shape);
        TensorBody result = tape.Output(a.DType, ((Span<long>)shape)[..rank]);
        (long outer, long n, long inner) = d < 0 ? (1, a.Length, 1) : Around(a, d);
        Launch.Reduce(tape.Stream, result.Pointer, a, outer, n, inner, function, 0);
        if (tape.Records(a))
        {
            ref Node node = ref tape.Record(backward, result, a);
            node.IntA = d;
            node.FloatA = function == aios_reduce_op.Mean && n > 0 ? 1f / n : 1f;
            node.IntB = function == aios_reduce_op.Max ? 1 : 0;
            if (function is aios_reduce_op.Max or aios_reduce_op.Min)
            {
                node.SavedA = a.Hold();
                node.SavedB = result.Hold();
            }
        }

        return new Tensor(result);
    }

    /// <summary>Writes the shape without dimension <paramref name="dim"/>, all of them when that is -1.</summary>
    private static int ReducedShape(TensorBody a, int dim, bool keepDim, Span<long> shape)
    {
        int rank = 0;
        for (int d = 0; d < a.Rank; d++)
        {
            bool reduced = dim < 0 || d == dim;
            if (!reduced || keepDim)
            {
                shape[rank++] = reduced ? 1 : a.Shape[d];
            }
        }

        return rank;
    }

    /// <summary>A view of what was reduced in the shape it was reduced from; the caller holds it.</summary>
    private static TensorBody Unreduced(TensorBody reduced, ReadOnlySpan<long> shape, int dim)
    {
        Extents kept = default;
        for (int d = 0; d < shape.Length; d++)
        {
            kept[d] = dim < 0 || d == dim ? 1 : shape[d];
        }

        TensorBody view = TensorBody.View(reduced, ((Span<long>)kept)[..shape.Length]);
        TensorBody repeated = Repeat("Sum", view, shape);
        view.Drop();
        return repeated;
    }

    private static void SumBackward(Tape tape, ref Node node)
    {
        TensorBody input = node.InputA!, gradient = node.OutputGrad;
        if (node.FloatA == 1f)
        {
            tape.AddGradient(input, Unreduced(gradient, input.Shape, node.IntA));
            return;
        }

        TensorBody scaled = tape.ReuseOutputGrad(ref node);
        Launch.Unary(tape.Stream, scaled, gradient, aios_unary_op.Affine, node.FloatA);
        TensorBody repeated = Unreduced(scaled, input.Shape, node.IntA);
        scaled.Drop();
        tape.AddGradient(input, repeated);
    }

    private static void ExtremeBackward(Tape tape, ref Node node)
    {
        TensorBody input = node.InputA!, x = node.SavedA!, result = node.SavedB!;
        TensorBody mask = TensorBody.Allocate(tape.Stream, x.DType, x.Shape);
        TensorBody extreme = Unreduced(result, x.Shape, node.IntA);
        bool greatest = node.IntB == 1;
        Launch.Binary(tape.Stream, mask, greatest ? x : extreme, greatest ? extreme : x, aios_binary_op.GreaterEqual);
        extreme.Drop();

        TensorBody share = TensorBody.Allocate(tape.Stream, result.DType, result.Shape);
        (long outer, long n, long inner) = node.IntA < 0 ? (1, x.Length, 1) : Around(x, node.IntA);
        Launch.Reduce(tape.Stream, share.Pointer, mask, outer, n, inner, aios_reduce_op.Sum, 0);
        Launch.Binary(tape.Stream, share, node.OutputGrad, share, aios_binary_op.Div);
        TensorBody repeated = Unreduced(share, x.Shape, node.IntA);
        Launch.Binary(tape.Stream, mask, mask, repeated, aios_binary_op.Mul);
        repeated.Drop();
        share.Drop();
        tape.AddGradient(input, mask);
    }
}

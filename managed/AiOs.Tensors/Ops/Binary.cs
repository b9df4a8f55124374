using AiOs.Interop;

namespace AiOs.Tensors;

/// <content>Functions of two variables, with broadcasting.</content>
public static partial class Ops
{
    /// <summary>a + b with broadcasting: shapes are aligned at the last dimension, and extents of 1 are repeated.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="a">Any shape.</param>
    /// <param name="b">A shape that broadcasts with that of <paramref name="a"/>, and its dtype.</param>
    /// <returns>The broadcast shape.</returns>
    public static unsafe Tensor Add(Tape tape, Tensor a, Tensor b) => Binary("Add", tape, a, b, aios_binary_op.Add, &AddBackward, false);

    /// <summary>a - b with broadcasting.</summary>
    /// <inheritdoc cref="Add"/>
    public static unsafe Tensor Sub(Tape tape, Tensor a, Tensor b) => Binary("Sub", tape, a, b, aios_binary_op.Sub, &SubBackward, false);

    /// <summary>a b, element by element, with broadcasting.</summary>
    /// <inheritdoc cref="Add"/>
    public static unsafe Tensor Mul(Tape tape, Tensor a, Tensor b) => Binary("Mul", tape, a, b, aios_binary_op.Mul, &MulBackward, true);

    /// <summary>a / b with broadcasting.</summary>
    /// <inheritdoc cref="Add"/>
    public static unsafe Tensor Div(Tape tape, Tensor a, Tensor b) => Binary("Div", tape, a, b, aios_binary_op.Div, &DivBackward, true);

    /// <summary>The greater of a and b, NaN when either is, with broadcasting; at ties the gradient goes to a.</summary>
    /// <inheritdoc cref="Add"/>
    public static unsafe Tensor Maximum(Tape tape, Tensor a, Tensor b) =>
        Binary("Maximum", tape, a, b, aios_binary_op.Maximum, &MaximumBackward, true);

    /// <summary>The lesser of a and b, NaN when either is, with broadcasting; at ties the gradient goes to a.</summary>
    /// <inheritdoc cref="Add"/>
    public static unsafe Tensor Minimum(Tape tape, Tensor a, Tensor b) =>
        Binary("Minimum", tape, a, b, aios_binary_op.Minimum, &MinimumBackward, true);

    private static unsafe Tensor Binary(
        string op, Tape tape, Tensor left, Tensor right, aios_binary_op function, delegate*<Tape, ref Node, void> backward, bool saves)
    {
        TensorBody a = Require.Input(op, "a", tape, left);
        TensorBody b = Require.Input(op, "b", tape, right);
        Require.SameFloating(op, "a", a, "b", b);
        Extents shape = default;
        int rank = Broadcast(op, a, b, shape);
        TensorBody result = tape.Output(a.DType, ((Span<long>)shape)[..rank]);
        Launch.Binary(tape.Stream, result, a, b, function);
        if (tape.Records(a, b))
        {
            ref Node node = ref tape.Record(backward, result, a, b);
            if (saves)
            {
                node.SavedA = a.Hold();
                node.SavedB = b.Hold();
            }
        }

        return new Tensor(result);
    }

    private static int Broadcast(string op, TensorBody a, TensorBody b, Span<long> shape)
    {
        int rank = Math.Max(a.Rank, b.Rank);
        for (int d = 1; d <= rank; d++)
        {
            long left = d <= a.Rank ? a.Shape[^d] : 1;
            long right = d <= b.Rank ? b.Shape[^d] : 1;
            if (left != right && left != 1 && right != 1)
            {
                Require.Mismatch(op, "a", a, "b", b, "extents aligned at the last dimension must be equal or 1");
            }

            shape[rank - d] = left == 1 ? right : left;
        }

        return rank;
    }

    private static void AddBackward(Tape tape, ref Node node)
    {
        TensorBody gradient = node.OutputGrad;
        if (node.InputA is { } a)
        {
            tape.AddBroadcastGradient(a, gradient.Hold());
        }

        if (node.InputB is { } b)
        {
            tape.AddBroadcastGradient(b, gradient.Hold());
        }
    }

    private static void SubBackward(Tape tape, ref Node node)
    {
        TensorBody gradient = node.OutputGrad;
        if (node.InputA is { } a)
        {
            tape.AddBroadcastGradient(a, gradient.Hold());
        }

        if (node.InputB is { } b)
        {
            TensorBody negative = tape.ReuseOutputGrad(ref node);
            Launch.Unary(tape.Stream, negative, gradient, aios_unary_op.Affine, -1);
            tape.AddBroadcastGradient(b, negative);
        }
    }

    private static void MulBackward(Tape tape, ref Node node)
    {
        if (node.InputA is { } a)
        {
            tape.AddBroadcastGradient(a, Product(tape, node.OutputGrad, node.SavedB!, aios_binary_op.Mul));
        }

        if (node.InputB is { } b)
        {
            tape.AddBroadcastGradient(b, Product(tape, node.OutputGrad, node.SavedA!, aios_binary_op.Mul));
        }
    }

    private static void DivBackward(Tape tape, ref Node node)
    {
        TensorBody quotient = Product(tape, node.OutputGrad, node.SavedB!, aios_binary_op.Div);
        if (node.InputB is { } b)
        {
            // d(a/b)/db = -(1/b) (a/b): the other factor of the gradient is already there.
            TensorBody scaled = Product(tape, quotient, node.SavedA!, aios_binary_op.Mul);
            Launch.Binary(tape.Stream, scaled, scaled, node.SavedB!, aios_binary_op.Div);
            Launch.Unary(tape.Stream, scaled, scaled, aios_unary_op.Affine, -1);
            tape.AddBroadcastGradient(b, scaled);
        }

        AddBroadcastOrDrop(tape, node.InputA, quotient);
    }

    private static void MaximumBackward(Tape tape, ref Node node) => SelectBackward(tape, ref node, node.SavedA!, node.SavedB!);

    private static void MinimumBackward(Tape tape, ref Node node) => SelectBackward(tape, ref node, node.SavedB!, node.SavedA!);

    /// <summary>Sends the gradient to a where <paramref name="chosen"/> is at least the other, elsewhere to b.</summary>
    private static void SelectBackward(Tape tape, ref Node node, TensorBody chosen, TensorBody other)
    {
        TensorBody gradient = node.OutputGrad;
        TensorBody toA = TensorBody.Allocate(tape.Stream, gradient.DType, gradient.Shape);
        Launch.Binary(tape.Stream, toA, chosen, other, aios_binary_op.GreaterEqual);
        Launch.Binary(tape.Stream, toA, toA, gradient, aios_binary_op.Mul);
        if (node.InputB is { } b)
        {
            tape.AddBroadcastGradient(b, Product(tape, gradient, toA, aios_binary_op.Sub));
        }

        AddBroadcastOrDrop(tape, node.InputA, toA);
    }

    private static void AddBroadcastOrDrop(Tape tape, TensorBody? input, TensorBody contribution)
    {
        if (input is null)
        {
            contribution.Drop();
        }
        else
        {
            tape.AddBroadcastGradient(input, contribution);
        }
    }

    /// <summary>A new tensor op(gradient, other) in the gradient's shape; the caller holds it.</summary>
    private static TensorBody Product(Tape tape, TensorBody gradient, TensorBody other, aios_binary_op op)
    {
        TensorBody result = TensorBody.Allocate(tape.Stream, gradient.DType, gradient.Shape);
        Launch.Binary(tape.Stream, result, gradient, other, op);
        return result;
    }
}

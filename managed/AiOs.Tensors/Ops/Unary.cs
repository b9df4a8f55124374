using AiOs.Interop;

namespace AiOs.Tensors;

/// <summary>Form of the GELU activation (Hendrycks and Gimpel, arXiv:1606.08415).</summary>
public enum GeluKind
{
    /// <summary>x Phi(x) with the exact normal distribution function.</summary>
    Exact = aios_unary_op.Gelu,

    /// <summary>0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): GPT-2's.</summary>
    Tanh = aios_unary_op.GeluTanh,
}

/// <summary>
/// The differentiable operations. Each takes the tape first: it runs on the tape's stream, its result belongs to the
/// tape, and it is recorded when the tape records and an input requires a gradient. Inputs are F32 or BF16 unless said
/// otherwise. Wrong shapes, dtypes and devices throw <see cref="ArgumentException"/>; a kernel that the backend does
/// not have throws <see cref="AiOs.Runtime.BackendException"/>.
/// </summary>
public static partial class Ops
{
    /// <summary>alpha x + beta.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">Any shape.</param>
    /// <param name="alpha">The factor.</param>
    /// <param name="beta">The summand.</param>
    /// <returns>The shape of <paramref name="x"/>.</returns>
    public static Tensor Affine(Tape tape, Tensor x, float alpha, float beta) => Unary("Affine", tape, x, aios_unary_op.Affine, alpha, beta);

    /// <summary>|x|; its derivative at 0 is 0.</summary>
    /// <inheritdoc cref="Exp"/>
    public static Tensor Abs(Tape tape, Tensor x) => Unary("Abs", tape, x, aios_unary_op.Abs);

    /// <summary>x squared.</summary>
    /// <inheritdoc cref="Exp"/>
    public static Tensor Square(Tape tape, Tensor x) => Unary("Square", tape, x, aios_unary_op.Square);

    /// <summary>Square root of x.</summary>
    /// <inheritdoc cref="Exp"/>
    public static Tensor Sqrt(Tape tape, Tensor x) => Unary("Sqrt", tape, x, aios_unary_op.Sqrt);

    /// <summary>1 / square root of x.</summary>
    /// <inheritdoc cref="Exp"/>
    public static Tensor Rsqrt(Tape tape, Tensor x) => Unary("Rsqrt", tape, x, aios_unary_op.Rsqrt);

    /// <summary>1 / x.</summary>
    /// <inheritdoc cref="Exp"/>
    public static Tensor Reciprocal(Tape tape, Tensor x) => Unary("Reciprocal", tape, x, aios_unary_op.Reciprocal);

    /// <summary>e to the x.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">Any shape.</param>
    /// <returns>The shape of <paramref name="x"/>.</returns>
    public static Tensor Exp(Tape tape, Tensor x) => Unary("Exp", tape, x, aios_unary_op.Exp);

    /// <summary>Natural logarithm of x.</summary>
    /// <inheritdoc cref="Exp"/>
    public static Tensor Log(Tape tape, Tensor x) => Unary("Log", tape, x, aios_unary_op.Log);

    /// <summary>Hyperbolic tangent of x.</summary>
    /// <inheritdoc cref="Exp"/>
    public static Tensor Tanh(Tape tape, Tensor x) => Unary("Tanh", tape, x, aios_unary_op.Tanh);

    /// <summary>1 / (1 + exp(-x)).</summary>
    /// <inheritdoc cref="Exp"/>
    public static Tensor Sigmoid(Tape tape, Tensor x) => Unary("Sigmoid", tape, x, aios_unary_op.Sigmoid);

    /// <summary>max(x, 0); its derivative at 0 is 0.</summary>
    /// <inheritdoc cref="Exp"/>
    public static Tensor Relu(Tape tape, Tensor x) => Unary("Relu", tape, x, aios_unary_op.Relu);

    /// <summary>The GELU activation.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">Any shape.</param>
    /// <param name="kind">Which form.</param>
    /// <returns>The shape of <paramref name="x"/>.</returns>
    public static Tensor Gelu(Tape tape, Tensor x, GeluKind kind = GeluKind.Exact) => Unary("Gelu", tape, x, (aios_unary_op)kind);

    /// <summary>x sigmoid(x) (arXiv:1702.03118).</summary>
    /// <inheritdoc cref="Exp"/>
    public static Tensor Silu(Tape tape, Tensor x) => Unary("Silu", tape, x, aios_unary_op.Silu);

    private static unsafe Tensor Unary(string op, Tape tape, Tensor x, aios_unary_op function, float alpha = 1, float beta = 0)
    {
        TensorBody a = Require.Input(op, "x", tape, x);
        Require.Floating(op, "x", a);
        TensorBody result = tape.Output(a.DType, a.Shape);
        Launch.Unary(tape.Stream, result, a, function, alpha, beta);
        if (tape.Records(a))
        {
            ref Node node = ref tape.Record(function == aios_unary_op.Affine ? &AffineBackward : &UnaryBackward, result, a);
            node.IntA = (int)function;
            node.FloatA = alpha;
            node.SavedA = function == aios_unary_op.Affine ? null : a.Hold();
        }

        return new Tensor(result);
    }

    private static void UnaryBackward(Tape tape, ref Node node)
    {
        TensorBody gradient = node.OutputGrad;
        TensorBody target = tape.ReuseOutputGrad(ref node);
        Launch.UnaryBackward(tape.Stream, target, gradient, node.SavedA!, (aios_unary_op)node.IntA);
        tape.AddGradient(node.InputA!, target);
    }

    private static void AffineBackward(Tape tape, ref Node node)
    {
        TensorBody gradient = node.OutputGrad;
        TensorBody target = tape.ReuseOutputGrad(ref node);
        Launch.Unary(tape.Stream, target, gradient, aios_unary_op.Affine, node.FloatA);
        tape.AddGradient(node.InputA!, target);
    }
}

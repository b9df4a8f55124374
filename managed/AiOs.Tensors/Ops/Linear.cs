using AiOs.Interop;

namespace AiOs.Tensors;

/// <summary>What <see cref="Ops.Linear"/> applies to the product before it is stored.</summary>
public enum Activation
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Tanh-GELU; see <see cref="GeluKind.Tanh"/>.</summary>
    GeluTanh,
}

/// <content>The affine maps of neural networks, with everything around the product fused into it.</content>
public static partial class Ops
{
    /// <summary>activation(x weight + bias) + residual, in one kernel.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">[..., in]</param>
    /// <param name="weight">[in, out], contiguous: the layout of GPT-2's Conv1D.</param>
    /// <param name="bias">[out], or null.</param>
    /// <param name="activation">Applied after the bias.</param>
    /// <param name="residual">[..., out], added last, or null.</param>
    /// <returns>[..., out]</returns>
    public static Tensor Linear(
        Tape tape, Tensor x, Tensor weight, Tensor bias = default, Activation activation = Activation.None, Tensor residual = default) =>
        Affine("Linear", tape, x, weight, bias, activation, residual, false);

    /// <summary>x times the transpose of weight, + bias: the layout of tied heads and of most other frameworks.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">[..., in]</param>
    /// <param name="weight">[out, in], contiguous.</param>
    /// <param name="bias">[out], or null.</param>
    /// <returns>[..., out]</returns>
    public static Tensor LinearTransposed(Tape tape, Tensor x, Tensor weight, Tensor bias = default) =>
        Affine("LinearTransposed", tape, x, weight, bias, Activation.None, default, true);

    private static unsafe Tensor Affine(
        string op, Tape tape, Tensor x, Tensor weight, Tensor bias, Activation activation, Tensor residual, bool transposed)
    {
        TensorBody a = Require.Input(op, "x", tape, x);
        TensorBody w = Require.Input(op, "weight", tape, weight);
        TensorBody? b = Require.Optional(op, "bias", tape, bias);
        TensorBody? r = Require.Optional(op, "residual", tape, residual);
        Require.SameFloating(op, "x", a, "weight", w);
        Require.SameFloating(op, "x", a, "bias", b);
        Require.SameFloating(op, "x", a, "residual", r);
        Require.Rank(op, "x", a, 1);
        Require.Rank(op, "weight", w, 2, 2);
        Require.Contiguous(op, w);
        long inputs = w.Shape[transposed ? 1 : 0], outputs = w.Shape[transposed ? 0 : 1];
        if (a.Shape[^1] != inputs)
        {
            Require.Mismatch(op, "x", a, "weight", w, transposed ? "weight must be [out, in]" : "weight must be [in, out]");
        }

        Require.Vector(op, "bias", b, outputs);
        Extents shape = default;
        a.Shape.CopyTo(shape);
        shape[a.Rank - 1] = outputs;
        ReadOnlySpan<long> outShape = ((Span<long>)shape)[..a.Rank];
        if (r is not null && !r.Shape.SequenceEqual(outShape))
        {
            Require.Throw($"{op}: residual has shape {Require.Text(r)} but the result is {Shapes.Text(outShape)}");
        }

        a = Dense(tape, a);
        r = r is null ? null : Dense(tape, r);
        TensorBody result = tape.Output(a.DType, outShape);
        bool records = tape.Records(a, w, b, r);
        TensorBody? aux = records && activation == Activation.GeluTanh
            ? TensorBody.Allocate(tape.Stream, a.DType, outShape)
            : null;
        long rows = inputs == 0 ? Shapes.Product(outShape[..^1]) : a.Length / inputs;
        aios_gemm_desc desc = Product(rows, outputs, inputs, a.DType);
        desc.lda = inputs;
        desc.ldb = transposed ? inputs : outputs;
        desc.ldc = outputs;
        desc.ldr = outputs;
        desc.trans_b = transposed ? 1 : 0;
        desc.epilogue = (b is null ? 0 : aios_epilogue.Bias) | (r is null ? 0 : aios_epilogue.Residual)
            | (activation == Activation.GeluTanh ? aios_epilogue.GeluTanh : 0);
        Launch.Gemm(tape.Stream, result.Pointer, aux?.Pointer ?? 0, a.Pointer, w.Pointer, b?.Pointer ?? 0, r?.Pointer ?? 0, &desc);
        if (records)
        {
            ref Node node = ref tape.Record(&LinearBackward, result, a, w, b, r);
            node.SavedA = w.RequiresGrad ? a.Hold() : null;
            node.SavedB = a.RequiresGrad ? w.Hold() : null;
            node.SavedC = aux;
            node.LongA = inputs;
            node.LongB = outputs;
            node.IntA = transposed ? 1 : 0;
        }

        return new Tensor(result);
    }

    private static unsafe void LinearBackward(Tape tape, ref Node node)
    {
        if (node.InputD is { } residual)
        {
            tape.PassGradient(ref node, residual);
        }

        // The gradient in front of the activation.
        TensorBody gradient = node.OutputGrad;
        if (node.SavedC is { } aux)
        {
            TensorBody inner = tape.ReuseOutputGrad(ref node);
            Launch.UnaryBackward(tape.Stream, inner, gradient, aux, aios_unary_op.GeluTanh);
            gradient = inner;
        }
        else
        {
            gradient.Hold();
        }

        long inputs = node.LongA, outputs = node.LongB;
        long rows = outputs == 0 ? 0 : gradient.Length / outputs;
        if (node.InputC is { } bias)
        {
            nint target = tape.GradientOf(bias, out int accumulate);
            Launch.Reduce(tape.Stream, target, gradient, 1, rows, outputs, aios_reduce_op.Sum, accumulate);
        }

        if (node.InputB is { } weight)
        {
            nint target = tape.GradientOf(weight, out int accumulate);
            bool transposed = node.IntA == 1;
            aios_gemm_desc desc = Product(transposed ? outputs : inputs, transposed ? inputs : outputs, rows, gradient.DType);
            desc.trans_a = 1;
            desc.lda = desc.m;
            desc.ldb = desc.n;
            desc.ldc = desc.n;
            desc.beta = accumulate;
            nint x = node.SavedA!.Pointer, y = gradient.Pointer;
            Launch.Gemm(tape.Stream, target, 0, transposed ? y : x, transposed ? x : y, 0, 0, &desc);
        }

        if (node.InputA is { } input)
        {
            nint target = tape.GradientOf(input, out int accumulate);
            aios_gemm_desc desc = Product(rows, inputs, outputs, gradient.DType);
            desc.trans_b = 1 - node.IntA;
            desc.lda = outputs;
            desc.ldb = node.SavedB!.Shape[1];
            desc.ldc = inputs;
            desc.beta = accumulate;
            Launch.Gemm(tape.Stream, target, 0, gradient.Pointer, node.SavedB.Pointer, 0, 0, &desc);
        }

        gradient.Drop();
    }

    /// <summary>The descriptor of one plain product C = A B; pitches are the caller's.</summary>
    internal static aios_gemm_desc Product(long m, long n, long k, DType dtype) => new()
    {
        m = m,
        n = n,
        k = k,
        batch = 1,
        dtype = dtype.Native(),
        out_dtype = dtype.Native(),
        alpha = 1,
    };
}

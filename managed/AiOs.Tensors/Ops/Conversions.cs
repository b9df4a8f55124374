namespace AiOs.Tensors;

/// <content>Casts, and the gated activation.</content>
public static partial class Ops
{
    /// <summary>The elements in another floating-point type, rounded to nearest even.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">F32, F16 or BF16.</param>
    /// <param name="dtype">F32, F16 or BF16.</param>
    /// <returns>The shape of x; x itself when it has the type already.</returns>
    public static unsafe Tensor Cast(Tape tape, Tensor x, DType dtype)
    {
        TensorBody a = Require.Input("Cast", "x", tape, x);
        if (!a.DType.IsFloating() || dtype is not (DType.F32 or DType.F16 or DType.BF16))
        {
            Require.Throw($"Cast: {a.DType} to {dtype} is not a conversion between floating-point types");
        }

        if (a.DType == dtype)
        {
            return x;
        }

        a = Dense(tape, a);
        TensorBody result = tape.Output(dtype, a.Shape);
        Convert(tape, result, a);
        RecordView(tape, a, result, &CastBackward);
        return new Tensor(result);
    }

    /// <summary>silu(gate) * up of projections that lie side by side (SwiGLU, arXiv:2002.05202).</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">[..., 2 C]: gate, then up.</param>
    /// <returns>[..., C]</returns>
    public static unsafe Tensor SwiGlu(Tape tape, Tensor x)
    {
        TensorBody a = Require.Input("SwiGlu", "x", tape, x);
        Require.Floating("SwiGlu", "x", a);
        Require.Rank("SwiGlu", "x", a, 1);
        if (a.Shape[^1] % 2 != 0)
        {
            Require.Throw($"SwiGlu: x has shape {Require.Text(a)}; its last extent must be even");
        }

        a = Dense(tape, a);
        Extents shape = default;
        a.Shape.CopyTo(shape);
        shape[a.Rank - 1] /= 2;
        TensorBody result = tape.Output(a.DType, ((Span<long>)shape)[..a.Rank]);
        (long rows, long cols) = Rows(result);
        tape.Stream.Check(
            tape.Stream.Device.Kernels.aios_swiglu(
                tape.Stream.Handle, (void*)result.Pointer, (void*)a.Pointer, rows, cols, a.DType.Native()),
            "aios_swiglu");
        if (tape.Records(a))
        {
            tape.Record(&SwiGluBackward, result, a).SavedA = a.Hold();
        }

        return new Tensor(result);
    }

    private static void CastBackward(Tape tape, ref Node node)
    {
        TensorBody input = node.InputA!;
        TensorBody target = TensorBody.Allocate(tape.Stream, input.DType, input.Shape);
        Convert(tape, target, node.OutputGrad);
        tape.AddGradient(input, target);
    }

    private static unsafe void SwiGluBackward(Tape tape, ref Node node)
    {
        TensorBody gradient = node.OutputGrad, a = node.SavedA!;
        TensorBody target = TensorBody.Allocate(tape.Stream, a.DType, a.Shape);
        (long rows, long cols) = Rows(gradient);
        tape.Stream.Check(
            tape.Stream.Device.Kernels.aios_swiglu_backward(
                tape.Stream.Handle, (void*)target.Pointer, (void*)gradient.Pointer, (void*)a.Pointer, rows, cols, a.DType.Native()),
            "aios_swiglu_backward");
        tape.AddGradient(node.InputA!, target);
    }

    private static unsafe void Convert(Tape tape, TensorBody result, TensorBody a) =>
        tape.Stream.Check(
            tape.Stream.Device.Kernels.aios_cast(
                tape.Stream.Handle, (void*)result.Pointer, (void*)a.Pointer, a.Length, result.DType.Native(), a.DType.Native()),
            "aios_cast");
}

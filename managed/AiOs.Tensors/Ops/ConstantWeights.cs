using AiOs.Interop;
using AiOs.Runtime;

namespace AiOs.Tensors;

/// <content>Products with weights that do not change: quantised, or packed once for all products.</content>
public static partial class Ops
{
    /// <summary>
    /// x times the transpose of quantised weights, + bias. Inference only: there is no gradient. With integer codes the
    /// activations are quantised to 8 bits on the way, each 32 neighbours (or each row, for
    /// <see cref="QuantizedFormat.Int8"/>) with a scale of their own; Int4 and Float8 multiply in binary32.
    /// </summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">[..., in], F32 or BF16.</param>
    /// <param name="weight">[out, in]</param>
    /// <param name="bias">[out] of the dtype of x, or null.</param>
    /// <returns>[..., out] of the dtype of x.</returns>
    /// <exception cref="InvalidOperationException">A gradient would have to flow through the product.</exception>
    /// <exception cref="ArgumentException">The shapes, dtypes or devices do not go together.</exception>
    public static unsafe Tensor QuantizedMatMul(Tape tape, Tensor x, QuantizedTensor weight, Tensor bias = default)
    {
        ArgumentNullException.ThrowIfNull(weight);
        ConstantProduct p = Constant("QuantizedMatMul", tape, x, weight.Device, weight.Columns, weight.Rows, true, bias);
        Stream stream = tape.Stream;
        KernelTable kernels = stream.Device.Kernels;
        aios_qmatrix native = weight.NativeOn(stream);
        aios_dtype dtype = p.X.DType.Native();
        using var workspace = new Workspace(stream, kernels.aios_qmatmul_workspace_size(&native, p.Rows, dtype), "aios_qmatmul");
        stream.Check(
            kernels.aios_qmatmul(
                stream.Handle, (void*)p.Result.Pointer, (void*)p.X.Pointer, &native, (void*)p.Bias, workspace.Pointer, workspace.Bytes,
                p.Rows, dtype),
            "aios_qmatmul");
        return new Tensor(p.Result);
    }

    /// <summary>
    /// x times packed weights, + bias: what <see cref="Linear"/> computes, without reordering the weights each time.
    /// Inference only: there is no gradient.
    /// </summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">[..., in] of the dtype of the weights.</param>
    /// <param name="weight">[in, out]</param>
    /// <param name="bias">[out] of the dtype of x, or null.</param>
    /// <returns>[..., out] of the dtype of x.</returns>
    /// <exception cref="InvalidOperationException">A gradient would have to flow through the product.</exception>
    /// <exception cref="ArgumentException">The shapes, dtypes or devices do not go together.</exception>
    public static unsafe Tensor MatMul(Tape tape, Tensor x, PackedMatrix weight, Tensor bias = default)
    {
        ArgumentNullException.ThrowIfNull(weight);
        TensorBody a = Require.Input("MatMul", "x", tape, x);
        if (a.DType != weight.DType)
        {
            Require.Throw($"MatMul: x is {a.DType} and weight is {weight.DType}; both must have one dtype (use Ops.Cast)");
        }

        nint packed = weight.On(tape.Stream);
        ConstantProduct p = Constant("MatMul", tape, x, weight.Device, weight.Rows, weight.Columns, false, bias);
        aios_gemm_desc desc = Product(p.Rows, weight.Columns, weight.Rows, weight.DType);
        desc.packed_b = 1;
        desc.lda = weight.Rows;
        desc.ldc = weight.Columns;
        desc.epilogue = p.Bias == 0 ? 0 : aios_epilogue.Bias;
        Launch.Gemm(tape.Stream, p.Result.Pointer, 0, p.X.Pointer, packed, p.Bias, 0, &desc);
        return new Tensor(p.Result);
    }

    /// <summary>Checks a product with weights that have no gradient, and makes x dense and the result.</summary>
    private static ConstantProduct Constant(
        string op, Tape tape, Tensor x, Device weightDevice, long inputs, long outputs, bool transposed, Tensor bias)
    {
        TensorBody a = Require.Input(op, "x", tape, x);
        TensorBody? b = Require.Optional(op, "bias", tape, bias);
        Require.SameFloating(op, "x", a, "bias", b);
        Require.Rank(op, "x", a, 1);
        Require.Vector(op, "bias", b, outputs);
        if (weightDevice != tape.Stream.Device)
        {
            Require.Throw($"{op}: weight is on another device than the tape's stream");
        }

        if (a.Shape[^1] != inputs)
        {
            Require.Throw(
                $"{op}: x {Require.Text(a)} and weight {(transposed ? $"[{outputs}, {inputs}]" : $"[{inputs}, {outputs}]")} do not go together: "
                + $"the last extent of x must be the {(transposed ? "columns" : "rows")} of weight");
        }

        if (tape.Records(a, b))
        {
            throw new InvalidOperationException(
                $"{op}: there is no gradient of a product with quantised or packed weights; run it on a tape that does not record, or on tensors without gradient");
        }

        Extents shape = default;
        a.Shape.CopyTo(shape);
        shape[a.Rank - 1] = outputs;
        ReadOnlySpan<long> outShape = ((Span<long>)shape)[..a.Rank];
        a = Dense(tape, a);
        return new(a, b?.Pointer ?? 0, tape.Output(a.DType, outShape), Shapes.Product(outShape[..^1]));
    }

    /// <summary>What a launch with constant weights needs: dense x, the bias or 0, the result, and the rows of both.</summary>
    private readonly record struct ConstantProduct(TensorBody X, nint Bias, TensorBody Result, long Rows);
}

using AiOs.Interop;

namespace AiOs.Tensors;

/// <content>Products with quantised weights.</content>
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
        TensorBody a = Require.Input("QuantizedMatMul", "x", tape, x);
        TensorBody? b = Require.Optional("QuantizedMatMul", "bias", tape, bias);
        Require.Floating("QuantizedMatMul", "x", a);
        Require.SameFloating("QuantizedMatMul", "x", a, "bias", b);
        Require.Rank("QuantizedMatMul", "x", a, 1);
        Require.Vector("QuantizedMatMul", "bias", b, weight.Rows);
        if (weight.Device != tape.Stream.Device)
        {
            Require.Throw("QuantizedMatMul: weight is on another device than the tape's stream");
        }

        if (a.Shape[^1] != weight.Columns)
        {
            Require.Throw($"QuantizedMatMul: x {Require.Text(a)} and weight [{weight.Rows}, {weight.Columns}] do not go together: the last extent of x must be the columns of weight");
        }

        if (tape.Records(a, b))
        {
            throw new InvalidOperationException(
                "QuantizedMatMul: there is no gradient of a product with quantised weights; run it on a tape that does not record, or on tensors without gradient");
        }

        a = Dense(tape, a);
        Extents shape = default;
        a.Shape.CopyTo(shape);
        shape[a.Rank - 1] = weight.Rows;
        ReadOnlySpan<long> outShape = ((Span<long>)shape)[..a.Rank];
        TensorBody result = tape.Output(a.DType, outShape);
        Stream stream = tape.Stream;
        KernelTable kernels = stream.Device.Kernels;
        long rows = Shapes.Product(outShape[..^1]);
        aios_qmatrix native = weight.Native;
        using var workspace = new Workspace(stream, kernels.aios_qmatmul_workspace_size(&native, rows, a.DType.Native()), "aios_qmatmul");
        stream.Check(
            kernels.aios_qmatmul(
                stream.Handle, (void*)result.Pointer, (void*)a.Pointer, &native, b is null ? null : (void*)b.Pointer, workspace.Pointer,
                workspace.Bytes, rows, a.DType.Native()),
            "aios_qmatmul");
        return new Tensor(result);
    }
}

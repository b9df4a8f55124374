using AiOs.Interop;

namespace AiOs.Tensors;

/// <content>Normalization of rows.</content>
public static partial class Ops
{
    /// <summary>
    /// (x - mean) / sqrt(variance + epsilon) * weight + bias over the last dimension (Ba et al., arXiv:1607.06450).
    /// </summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">[..., C]</param>
    /// <param name="weight">[C], or null for 1.</param>
    /// <param name="bias">[C], or null for 0.</param>
    /// <param name="epsilon">Keeps the square root away from 0.</param>
    /// <returns>The shape of x.</returns>
    public static Tensor LayerNorm(Tape tape, Tensor x, Tensor weight = default, Tensor bias = default, float epsilon = 1e-5f) =>
        Norm("LayerNorm", tape, x, weight, bias, epsilon, true);

    /// <summary>x / sqrt(mean of squares + epsilon) * weight over the last dimension (arXiv:1910.07467).</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">[..., C]</param>
    /// <param name="weight">[C], or null for 1.</param>
    /// <param name="epsilon">Keeps the square root away from 0.</param>
    /// <returns>The shape of x.</returns>
    public static Tensor RmsNorm(Tape tape, Tensor x, Tensor weight = default, float epsilon = 1e-5f) =>
        Norm("RmsNorm", tape, x, weight, default, epsilon, false);

    private static unsafe Tensor Norm(string op, Tape tape, Tensor x, Tensor weight, Tensor bias, float epsilon, bool centred)
    {
        TensorBody a = Require.Input(op, "x", tape, x);
        TensorBody? w = Require.Optional(op, "weight", tape, weight);
        TensorBody? b = Require.Optional(op, "bias", tape, bias);
        Require.SameFloating(op, "x", a, "weight", w);
        Require.SameFloating(op, "x", a, "bias", b);
        Require.Rank(op, "x", a, 1);
        long cols = a.Shape[^1], rows = cols == 0 ? 0 : a.Length / cols;
        Require.Vector(op, "weight", w, cols);
        Require.Vector(op, "bias", b, cols);
        a = Dense(tape, a);
        TensorBody result = tape.Output(a.DType, a.Shape);
        bool records = tape.Records(a, w, b);
        TensorBody? mean = records && centred ? TensorBody.Allocate(tape.Stream, DType.F32, [rows]) : null;
        TensorBody? rstd = records ? TensorBody.Allocate(tape.Stream, DType.F32, [rows]) : null;
        KernelTable kernels = tape.Stream.Device.Kernels;
        aios_dtype dtype = a.DType.Native();
        void* output = (void*)result.Pointer, input = (void*)a.Pointer, scale = Address(w);
        if (centred)
        {
            tape.Stream.Check(
                kernels.aios_layernorm(
                    tape.Stream.Handle, output, (float*)Address(mean), (float*)Address(rstd), input, scale, Address(b), rows, cols, epsilon, dtype),
                "aios_layernorm");
        }
        else
        {
            tape.Stream.Check(
                kernels.aios_rmsnorm(tape.Stream.Handle, output, (float*)Address(rstd), input, scale, rows, cols, epsilon, dtype),
                "aios_rmsnorm");
        }

        if (records)
        {
            ref Node node = ref tape.Record(&NormBackward, result, a, w, b);
            node.SavedA = a.Hold();
            node.SavedB = w?.Hold();
            node.SavedC = rstd;
            node.SavedD = mean;
            node.LongA = rows;
            node.LongB = cols;
        }

        return new Tensor(result);
    }

    private static unsafe void NormBackward(Tape tape, ref Node node)
    {
        TensorBody gradient = node.OutputGrad;
        TensorBody x = node.SavedA!;
        long rows = node.LongA, cols = node.LongB;
        aios_dtype dtype = gradient.DType.Native();

        // The kernels always write dx; nobody reads it when x wants no gradient.
        TensorBody? unwanted = node.InputA is null ? TensorBody.Allocate(tape.Stream, x.DType, x.Shape) : null;
        int accumulateX = 0, accumulateWeight = 0, accumulateBias = 0;
        nint dx = unwanted?.Pointer ?? tape.GradientOf(node.InputA!, out accumulateX);
        nint dweight = node.InputB is null ? 0 : tape.GradientOf(node.InputB, out accumulateWeight);
        nint dbias = node.InputC is null ? 0 : tape.GradientOf(node.InputC, out accumulateBias);
        if (dweight != 0 && dbias != 0 && accumulateWeight != accumulateBias)
        {
            // One flag serves both: make the one without a sum start from zero.
            TensorBody fresh = (accumulateWeight == 0 ? node.InputB : node.InputC)!.Grad!;
            tape.Stream.Fill(fresh.Pointer, 0, fresh.Bytes);
            accumulateWeight = 1;
        }

        int accumulateParams = dweight != 0 ? accumulateWeight : accumulateBias;
        KernelTable kernels = tape.Stream.Device.Kernels;
        using var workspace = new Workspace(
            tape.Stream, kernels.aios_norm_backward_workspace_size(rows, cols, dtype), "aios_norm_backward_workspace_size");
        float* rstd = (float*)node.SavedC!.Pointer;
        void* dout = (void*)gradient.Pointer, input = (void*)x.Pointer, weight = Address(node.SavedB);
        if (node.SavedD is { } mean)
        {
            tape.Stream.Check(
                kernels.aios_layernorm_backward(
                    tape.Stream.Handle, (void*)dx, (void*)dweight, (void*)dbias, dout, input, weight, (float*)mean.Pointer, rstd,
                    workspace.Pointer, workspace.Bytes, rows, cols, accumulateX, accumulateParams, dtype),
                "aios_layernorm_backward");
        }
        else
        {
            tape.Stream.Check(
                kernels.aios_rmsnorm_backward(
                    tape.Stream.Handle, (void*)dx, (void*)dweight, dout, input, weight, rstd, workspace.Pointer, workspace.Bytes,
                    rows, cols, accumulateX, accumulateParams, dtype),
                "aios_rmsnorm_backward");
        }

        unwanted?.Drop();
    }

    private static unsafe void* Address(TensorBody? body) => body is null ? null : (void*)body.Pointer;
}

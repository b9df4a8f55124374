using AiOs.Interop;
using AiOs.Runtime;

namespace AiOs.Tensors;

/// <summary>Launches that several ops share, with their descriptors and workspaces.</summary>
internal static unsafe class Launch
{
    public static void Fill(Stream stream, TensorBody target, double value) =>
        stream.Check(
            stream.Device.Kernels.aios_fill(stream.Handle, (void*)target.Pointer, target.Length, value, target.DType.Native()),
            "aios_fill");

    /// <summary>Copies a view of any strides into a tensor of the same shape.</summary>
    public static void Copy(Stream stream, TensorBody target, TensorBody source)
    {
        if (target.IsContiguous && source.IsContiguous)
        {
            stream.Copy(target.Pointer, source.Pointer, source.Bytes);
            return;
        }

        Unary(stream, target, source, aios_unary_op.Copy);
    }

    public static void Unary(Stream stream, TensorBody target, TensorBody a, aios_unary_op op, float alpha = 1, float beta = 0)
    {
        aios_elementwise_desc desc;
        Describe(&desc, target.Shape, target, a, null);
        desc.dtype = op == aios_unary_op.Copy ? BitsType(target.DType) : target.DType.Native();
        desc.alpha = alpha;
        desc.beta = beta;
        stream.Check(stream.Device.Kernels.aios_unary(stream.Handle, (void*)target.Pointer, (void*)a.Pointer, op, &desc), "aios_unary");
    }

    /// <summary>target = dout * op'(a).</summary>
    public static void UnaryBackward(
        Stream stream, TensorBody target, TensorBody dout, TensorBody a, aios_unary_op op, float alpha = 1, float beta = 0)
    {
        aios_elementwise_desc desc;
        Describe(&desc, target.Shape, target, a, dout);
        desc.dtype = target.DType.Native();
        desc.alpha = alpha;
        desc.beta = beta;
        stream.Check(
            stream.Device.Kernels.aios_unary_backward(
                stream.Handle, (void*)target.Pointer, (void*)dout.Pointer, (void*)a.Pointer, op, &desc),
            "aios_unary_backward");
    }

    /// <summary>target = op(a, b); a and b broadcast to the target's shape.</summary>
    public static void Binary(Stream stream, TensorBody target, TensorBody a, TensorBody b, aios_binary_op op)
    {
        aios_elementwise_desc desc;
        Describe(&desc, target.Shape, target, a, b);
        desc.dtype = target.DType.Native();
        desc.alpha = 1;
        desc.beta = 0;
        stream.Check(
            stream.Device.Kernels.aios_binary(stream.Handle, (void*)target.Pointer, (void*)a.Pointer, (void*)b.Pointer, op, &desc),
            "aios_binary");
    }

    /// <summary>Reduces the middle of a contiguous [outer][n][inner].</summary>
    public static void Reduce(
        Stream stream, nint target, TensorBody a, long outer, long n, long inner, aios_reduce_op op, int accumulate)
    {
        KernelTable kernels = stream.Device.Kernels;
        aios_dtype dtype = a.DType.Native();
        using var workspace = new Workspace(stream, kernels.aios_reduce_workspace_size(outer, n, inner, op, dtype), "aios_reduce");
        stream.Check(
            kernels.aios_reduce(
                stream.Handle, (void*)target, (void*)a.Pointer, workspace.Pointer, workspace.Bytes, outer, n, inner, op, accumulate, dtype),
            "aios_reduce");
    }

    /// <summary>A matrix product; the descriptor says everything but the buffers.</summary>
    public static void Gemm(
        Stream stream, nint c, nint aux, nint a, nint b, nint bias, nint residual, aios_gemm_desc* desc)
    {
        KernelTable kernels = stream.Device.Kernels;
        using var workspace = new Workspace(stream, kernels.aios_gemm_workspace_size(desc), "aios_gemm");
        stream.Check(
            kernels.aios_gemm(
                stream.Handle, (void*)c, (void*)aux, (void*)a, (void*)b, (void*)bias, (void*)residual, workspace.Pointer, workspace.Bytes, desc),
            "aios_gemm");
    }

    /// <summary>
    /// Fills rank, shape and strides. Dimensions that every buffer walks through in one stride are merged, so that
    /// dense tensors reach the kernel as one dimension.
    /// </summary>
    private static void Describe(
        aios_elementwise_desc* desc, ReadOnlySpan<long> shape, TensorBody target, TensorBody a, TensorBody? b)
    {
        if (target.IsContiguous && a.IsContiguous && a.Length == target.Length
            && (b is null || (b.IsContiguous && b.Length == target.Length)))
        {
            desc->rank = 1;
            desc->shape[0] = target.Length;
            desc->out_stride[0] = 1;
            desc->a_stride[0] = 1;
            desc->b_stride[0] = 1;
            return;
        }

        int rank = 0;
        for (int d = 0; d < shape.Length; d++)
        {
            long n = shape[d];
            if (n == 1)
            {
                continue;
            }

            long outStride = target.Strides[d];
            long aStride = BroadcastStride(a, d - shape.Length);
            long bStride = b is null ? 0 : BroadcastStride(b, d - shape.Length);
            if (rank > 0 && desc->out_stride[rank - 1] == outStride * n && desc->a_stride[rank - 1] == aStride * n
                && desc->b_stride[rank - 1] == bStride * n)
            {
                desc->shape[rank - 1] *= n;
            }
            else
            {
                desc->shape[rank++] = n;
            }

            desc->out_stride[rank - 1] = outStride;
            desc->a_stride[rank - 1] = aStride;
            desc->b_stride[rank - 1] = bStride;
        }

        desc->rank = rank;
    }

    /// <summary>Stride of a dimension counted from the end; 0 where the tensor is repeated.</summary>
    private static long BroadcastStride(TensorBody body, int fromEnd)
    {
        int d = body.Rank + fromEnd;
        return d < 0 || body.Shape[d] == 1 ? 0 : body.Strides[d];
    }

    /// <summary>A dtype of the same size that the copy kernels move unchanged.</summary>
    private static aios_dtype BitsType(DType dtype) => dtype.Size() == 4 ? aios_dtype.F32 : aios_dtype.Bf16;
}

/// <summary>
/// Scratch memory of one launch. It is freed right after the launch was enqueued: stream order keeps it valid.
/// </summary>
internal readonly unsafe ref struct Workspace
{
    private readonly Stream _stream;
    private readonly Allocation _block;

    public Workspace(Stream stream, long bytes, string op)
    {
        _stream = stream;
        if (bytes < 0)
        {
            stream.Check((aios_status)(-bytes), op);
        }

        Bytes = bytes;
        _block = bytes > 0 ? stream.Device.Memory.Allocate(bytes, stream) : default;
    }

    public long Bytes { get; }

    public void* Pointer => (void*)_block.Address;

    public void Dispose()
    {
        if (Pointer != null)
        {
            _stream.Device.Memory.Free(_block);
        }
    }
}

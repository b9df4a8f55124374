using AiOs.Interop;

namespace AiOs.Tensors;

/// <content>Batched matrix products.</content>
public static partial class Ops
{
    /// <summary>
    /// Matrix product of the last two dimensions. Up to two leading dimensions are a batch and broadcast. Transposed
    /// views are multiplied as they are, without a copy.
    /// </summary>
    /// <param name="tape">The tape.</param>
    /// <param name="a">[..., M, K]</param>
    /// <param name="b">[..., K, N]</param>
    /// <returns>[..., M, N]</returns>
    public static unsafe Tensor MatMul(Tape tape, Tensor a, Tensor b)
    {
        TensorBody left = Require.Input("MatMul", "a", tape, a);
        TensorBody right = Require.Input("MatMul", "b", tape, b);
        Require.SameFloating("MatMul", "a", left, "b", right);
        Require.Rank("MatMul", "a", left, 2, 4);
        Require.Rank("MatMul", "b", right, 2, 4);
        if (left.Shape[^1] != right.Shape[^2])
        {
            Require.Mismatch("MatMul", "a", left, "b", right, "the columns of a must be the rows of b");
        }

        left = IsMatrix(left) ? left : Dense(tape, left);
        right = IsMatrix(right) ? right : Dense(tape, right);
        Extents shape = default;
        int rank = Math.Max(left.Rank, right.Rank);
        for (int d = 3; d <= rank; d++)
        {
            long ofA = d <= left.Rank ? left.Shape[^d] : 1, ofB = d <= right.Rank ? right.Shape[^d] : 1;
            if (ofA != ofB && ofA != 1 && ofB != 1)
            {
                Require.Mismatch("MatMul", "a", left, "b", right, "batch extents must be equal or 1");
            }

            shape[rank - d] = ofA == 1 ? ofB : ofA;
        }

        shape[rank - 2] = left.Shape[^2];
        shape[rank - 1] = right.Shape[^1];
        TensorBody result = tape.Output(left.DType, ((Span<long>)shape)[..rank]);
        Multiply(tape.Stream, new Matrices(result), new Matrices(left), new Matrices(right), 0);
        if (tape.Records(left, right))
        {
            ref Node node = ref tape.Record(&MatMulBackward, result, left, right);
            node.SavedA = right.RequiresGrad ? left.Hold() : null;
            node.SavedB = left.RequiresGrad ? right.Hold() : null;
        }

        return new Tensor(result);
    }

    private static void MatMulBackward(Tape tape, ref Node node)
    {
        var gradient = new Matrices(node.OutputGrad);
        if (node.InputA is { } a)
        {
            _ = tape.GradientOf(a, out int accumulate);
            Multiply(tape.Stream, new Matrices(a.Grad!), gradient, new Matrices(node.SavedB!).Transposed(), accumulate);
        }

        if (node.InputB is { } b)
        {
            _ = tape.GradientOf(b, out int accumulate);
            Multiply(tape.Stream, new Matrices(b.Grad!), new Matrices(node.SavedA!).Transposed(), gradient, accumulate);
        }
    }

    /// <summary>True when rows or columns are dense, so that the kernel can read the matrices where they are.</summary>
    private static bool IsMatrix(TensorBody x)
    {
        long rows = x.Shape[^2], cols = x.Shape[^1], rowStride = x.Strides[^2], colStride = x.Strides[^1];
        return (colStride == 1 && (rowStride >= cols || rows == 1)) || (rowStride == 1 && (colStride >= rows || cols == 1));
    }

    /// <summary>
    /// C = A B + accumulate C over a batch of two dimensions. Where C has extent 1 and the factors do not, products are
    /// summed, one after the other: that is the gradient of a factor that was broadcast.
    /// </summary>
    private static unsafe void Multiply(Stream stream, in Matrices c, in Matrices a, in Matrices b, int accumulate)
    {
        long outer = Math.Max(a.Outer, b.Outer), inner = Math.Max(a.Inner, b.Inner);
        bool sumsInner = c.Inner == 1 && inner > 1;
        if (outer == 0 || inner == 0 || a.Outer * a.Inner == 0 || b.Outer * b.Inner == 0)
        {
            if (accumulate == 0)
            {
                stream.Fill(c.Pointer, 0, c.Outer * c.Inner * c.Rows * c.Cols * c.DType.Size());
            }

            return;
        }

        int size = c.DType.Size();
        long launches = sumsInner ? inner : 1;
        aios_gemm_desc desc = Product(c.Rows, c.Cols, a.Cols, c.DType);
        desc.batch = sumsInner ? 1 : inner;
        desc.trans_a = a.IsTransposed ? 1 : 0;
        desc.trans_b = b.IsTransposed ? 1 : 0;
        desc.lda = a.Pitch;
        desc.ldb = b.Pitch;
        desc.ldc = c.Pitch;
        desc.ldr = c.Pitch;
        desc.stride_a = a.InnerStride;
        desc.stride_b = b.InnerStride;
        desc.stride_c = c.InnerStride;
        for (long o = 0; o < outer; o++)
        {
            for (long i = 0; i < launches; i++)
            {
                bool first = i == 0 && (o == 0 || c.Outer > 1);
                desc.beta = first ? accumulate : 1;
                Launch.Gemm(
                    stream, c.Pointer + (nint)(o * c.OuterStride * size), 0, a.Pointer + (nint)((o * a.OuterStride + i * a.InnerStride) * size),
                    b.Pointer + (nint)((o * b.OuterStride + i * b.InnerStride) * size), 0, 0, &desc);
            }
        }
    }

    /// <summary>A tensor seen as matrices in a batch of two dimensions; strides of repeated dimensions are 0.</summary>
    private readonly struct Matrices
    {
        public Matrices(TensorBody x)
        {
            Pointer = x.Pointer;
            DType = x.DType;
            Rows = x.Shape[^2];
            Cols = x.Shape[^1];
            IsTransposed = !(x.Strides[^1] == 1 && (x.Strides[^2] >= Cols || Rows == 1));
            Pitch = IsTransposed ? (Cols == 1 ? Rows : x.Strides[^1]) : (Rows == 1 ? Cols : x.Strides[^2]);
            Inner = x.Rank > 2 ? x.Shape[^3] : 1;
            Outer = x.Rank > 3 ? x.Shape[^4] : 1;
            InnerStride = Inner == 1 ? 0 : x.Strides[^3];
            OuterStride = Outer == 1 ? 0 : x.Strides[^4];
        }

        public nint Pointer { get; }

        public DType DType { get; }

        public long Rows { get; private init; }

        public long Cols { get; private init; }

        public bool IsTransposed { get; private init; }

        public long Pitch { get; }

        public long Inner { get; }

        public long Outer { get; }

        public long InnerStride { get; }

        public long OuterStride { get; }

        public Matrices Transposed() => this with { Rows = Cols, Cols = Rows, IsTransposed = !IsTransposed };
    }
}

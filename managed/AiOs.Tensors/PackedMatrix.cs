using AiOs.Interop;
using AiOs.Runtime;

namespace AiOs.Tensors;

/// <summary>
/// A constant matrix [rows, columns] on a device, in the order in which the kernels read a right operand, for
/// <see cref="Ops.MatMul(Tape, Tensor, PackedMatrix, Tensor)"/>. Rows are inputs, columns are outputs. The order is the
/// private matter of this machine's kernels: it is no file format. It is used by one thread at a time; dispose it when
/// no work that uses it is enqueued any more.
/// </summary>
public sealed unsafe class PackedMatrix : IDisposable
{
    private readonly DeviceMemory<byte> _memory;

    private PackedMatrix(Stream stream, DType dtype, long rows, long columns, long bytes)
    {
        (DType, Rows, Columns, Bytes) = (dtype, rows, columns, bytes);
        _memory = stream.Device.Allocate<byte>(Math.Max(1, bytes), stream);
    }

    /// <summary>Element type: F32 or BF16.</summary>
    public DType DType { get; }

    /// <summary>Rows: the inputs of a product.</summary>
    public long Rows { get; }

    /// <summary>Columns: the outputs of a product.</summary>
    public long Columns { get; }

    /// <summary>Bytes of the packed form, padding included.</summary>
    public long Bytes { get; }

    /// <summary>The device that holds the matrix.</summary>
    public Device Device => _memory.Device;

    /// <summary>Packs a matrix. Later changes of the tensor do not reach the packed matrix; it may be disposed.</summary>
    /// <param name="stream">The stream that does it.</param>
    /// <param name="matrix">[rows, columns], or [columns, rows] when transposed; F32 or BF16, contiguous.</param>
    /// <param name="transposed">Whether the tensor holds the transpose, as <see cref="Ops.LinearTransposed"/> takes it.</param>
    /// <returns>The packed matrix, which the caller disposes.</returns>
    /// <exception cref="ArgumentException">The tensor is no contiguous matrix of F32 or BF16 on the stream's device.</exception>
    /// <exception cref="DeviceOutOfMemoryException">The device has no memory left.</exception>
    public static PackedMatrix Pack(Stream stream, Tensor matrix, bool transposed = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        TensorBody body = matrix.Body;
        Require.Floating("PackedMatrix.Pack", "matrix", body);
        Require.Rank("PackedMatrix.Pack", "matrix", body, 2, 2);
        Require.Contiguous("PackedMatrix.Pack", body);
        if (body.Device != stream.Device)
        {
            Require.Throw("PackedMatrix.Pack: matrix is on another device than the stream");
        }

        long rows = body.Shape[transposed ? 1 : 0], columns = body.Shape[transposed ? 0 : 1];
        aios_gemm_desc desc = Ops.Product(0, columns, rows, body.DType);
        desc.lda = rows;
        desc.ldb = body.Shape[1];
        desc.ldc = columns;
        desc.trans_b = transposed ? 1 : 0;
        KernelTable kernels = stream.Device.Kernels;
        long bytes = kernels.aios_gemm_packed_size(&desc);
        if (bytes < 0)
        {
            stream.Check((aios_status)(-bytes), "aios_gemm_packed_size");
        }

        var result = new PackedMatrix(stream, body.DType, rows, columns, bytes);
        try
        {
            stream.Check(
                kernels.aios_gemm_pack(stream.Handle, (void*)result.On(stream), (void*)body.On(stream), &desc), "aios_gemm_pack");
        }
        catch
        {
            result.Dispose();
            throw;
        }

        return result;
    }

    /// <summary>Frees the matrix. Work already enqueued still finds it.</summary>
    public void Dispose() => _memory.Dispose();

    /// <summary>The address for work that a stream is given now.</summary>
    internal nint On(Stream stream) => _memory.On(stream);
}

using AiOs.Interop;
using AiOs.Runtime;

namespace AiOs.Tensors;

/// <summary>
/// A matrix [rows, columns] of quantised weights on a device, for <see cref="Ops.QuantizedMatMul"/>. Rows are outputs,
/// columns are inputs. It is used by one thread at a time; dispose it when no work that uses it is enqueued any more.
/// </summary>
public sealed unsafe class QuantizedTensor : IDisposable
{
    private const long Alignment = 64;

    private readonly DeviceMemory<byte> _memory;
    private readonly long _scalesAt;
    private readonly long _zerosAt;

    private QuantizedTensor(Stream stream, QuantizedFormat format, long rows, long columns, int group, bool zeroPoints)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        if (format == QuantizedFormat.Int4 && (group <= 0 || group % 32 != 0))
        {
            throw new ArgumentOutOfRangeException(nameof(group), group, "a group of Int4 must be a multiple of 32 columns");
        }

        if (zeroPoints && format != QuantizedFormat.Int4)
        {
            throw new ArgumentException($"{format} has no zero points; only Int4 has", nameof(zeroPoints));
        }

        long rowBytes = stream.Device.Kernels.aios_quantized_row_bytes((aios_dtype)format, columns);
        if (rowBytes < 0)
        {
            stream.Check((aios_status)(-rowBytes), "aios_quantized_row_bytes");
        }

        (Format, Rows, Columns, RowBytes) = (format, rows, columns, rowBytes);
        if (format == QuantizedFormat.Int4)
        {
            Group = group;
            Groups = (columns + group - 1) / group;
        }

        ScaleBytes = format switch
        {
            QuantizedFormat.Int4 => rows * Groups * 2,
            QuantizedFormat.Int8 or QuantizedFormat.Float8E4M3 or QuantizedFormat.Float8E5M2 => rows * 4,
            _ => 0,
        };
        HasZeroPoints = zeroPoints;
        _scalesAt = Aligned(rows * rowBytes);
        _zerosAt = _scalesAt + Aligned(ScaleBytes);
        _memory = stream.Device.Allocate<byte>(Math.Max(1, _zerosAt + (zeroPoints ? rows * Groups : 0)), stream);
    }

    /// <summary>How the weights are stored.</summary>
    public QuantizedFormat Format { get; }

    /// <summary>Rows: the outputs of a product.</summary>
    public long Rows { get; }

    /// <summary>Columns: the inputs of a product.</summary>
    public long Columns { get; }

    /// <summary>Columns that share a scale and a zero point; 0 unless the format is <see cref="QuantizedFormat.Int4"/>.</summary>
    public int Group { get; }

    /// <summary>Groups of a row, the last one perhaps shorter; 0 unless the format is <see cref="QuantizedFormat.Int4"/>.</summary>
    public long Groups { get; }

    /// <summary>True when each group has a zero point of its own; without one it is 8.</summary>
    public bool HasZeroPoints { get; }

    /// <summary>Bytes of the codes of one row.</summary>
    public long RowBytes { get; }

    /// <summary>Bytes of the scales that are stored beside the codes; 0 for blocks, which contain theirs.</summary>
    public long ScaleBytes { get; }

    /// <summary>Bytes of codes, scales and zero points.</summary>
    public long Bytes => (Rows * RowBytes) + ScaleBytes + (HasZeroPoints ? Rows * Groups : 0);

    /// <summary>The device that holds the weights.</summary>
    public Device Device => _memory.Device;

    /// <summary>Quantises a matrix; scales are searched for the least square error.</summary>
    /// <param name="stream">The stream that does it.</param>
    /// <param name="weights">[rows, columns], F32 or BF16, contiguous and finite.</param>
    /// <param name="format">The format.</param>
    /// <param name="group">Columns that share a scale, a multiple of 32; for <see cref="QuantizedFormat.Int4"/> only.</param>
    /// <param name="zeroPoints">Whether each group gets a zero point; for <see cref="QuantizedFormat.Int4"/> only.</param>
    /// <returns>The quantised matrix, which the caller disposes.</returns>
    /// <exception cref="ArgumentException">The tensor is no contiguous matrix of F32 or BF16, or the format has no zero points.</exception>
    /// <exception cref="DeviceOutOfMemoryException">The device has no memory left.</exception>
    public static QuantizedTensor Quantize(Stream stream, Tensor weights, QuantizedFormat format, int group = 128, bool zeroPoints = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        TensorBody body = weights.Body;
        Require.Floating("QuantizedTensor.Quantize", "weights", body);
        Require.Rank("QuantizedTensor.Quantize", "weights", body, 2, 2);
        Require.Contiguous("QuantizedTensor.Quantize", body);
        var result = new QuantizedTensor(stream, format, body.Shape[0], body.Shape[1], group, zeroPoints);
        try
        {
            aios_qmatrix native = result.NativeOn(stream);
            stream.Check(
                stream.Device.Kernels.aios_quantize(stream.Handle, &native, (void*)body.On(stream), body.DType.Native()), "aios_quantize");
        }
        catch
        {
            result.Dispose();
            throw;
        }

        return result;
    }

    /// <summary>Takes over weights that are quantised already, in the layout of <see cref="Format"/>.</summary>
    /// <param name="stream">The stream that copies; the call waits for it.</param>
    /// <param name="format">The format.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="codes">rows times <see cref="RowBytes"/> bytes.</param>
    /// <param name="scales">Binary32 [rows] for Int8 and Float8, binary16 [rows, groups] for Int4, little-endian; else empty.</param>
    /// <param name="zeroPoints">One byte [rows, groups] for Int4, or empty for 8 everywhere; else empty.</param>
    /// <param name="group">Columns that share a scale, a multiple of 32; for <see cref="QuantizedFormat.Int4"/> only.</param>
    /// <returns>The quantised matrix, which the caller disposes.</returns>
    /// <exception cref="ArgumentException">A span has another length than the shape asks for.</exception>
    /// <exception cref="DeviceOutOfMemoryException">The device has no memory left.</exception>
    public static QuantizedTensor From(
        Stream stream, QuantizedFormat format, long rows, long columns, ReadOnlySpan<byte> codes, ReadOnlySpan<byte> scales = default,
        ReadOnlySpan<byte> zeroPoints = default, int group = 128)
    {
        var result = new QuantizedTensor(stream, format, rows, columns, group, !zeroPoints.IsEmpty);
        try
        {
            result.Upload(stream, "codes", codes, 0, rows * result.RowBytes);
            result.Upload(stream, "scales", scales, result._scalesAt, result.ScaleBytes);
            result.Upload(stream, "zero points", zeroPoints, result._zerosAt, result.HasZeroPoints ? rows * result.Groups : 0);
        }
        catch
        {
            result.Dispose();
            throw;
        }

        return result;
    }

    /// <summary>The weights as a tensor, which the caller disposes.</summary>
    /// <param name="stream">The stream that converts.</param>
    /// <param name="dtype">F32 or BF16.</param>
    /// <returns>[rows, columns]</returns>
    /// <exception cref="BackendException">The dtype is another one.</exception>
    public Tensor Dequantize(Stream stream, DType dtype = DType.F32)
    {
        Tensor result = Tensor.Empty(stream, dtype, Rows, Columns);
        try
        {
            aios_qmatrix native = NativeOn(stream);
            stream.Check(
                stream.Device.Kernels.aios_dequantize(stream.Handle, (void*)result.Pointer, &native, dtype.Native()), "aios_dequantize");
        }
        catch
        {
            result.Dispose();
            throw;
        }

        return result;
    }

    /// <summary>Copies the codes to the host, after all work of the stream, and waits.</summary>
    /// <param name="destination">Exactly <see cref="Rows"/> times <see cref="RowBytes"/> bytes.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <exception cref="ArgumentException">The destination has another length.</exception>
    public void CopyCodesTo(Span<byte> destination, Stream stream) => Download(destination, 0, Rows * RowBytes, stream);

    /// <summary>Copies the scales to the host, as bytes, after all work of the stream, and waits.</summary>
    /// <param name="destination">Exactly <see cref="ScaleBytes"/> bytes.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <exception cref="ArgumentException">The destination has another length.</exception>
    public void CopyScalesTo(Span<byte> destination, Stream stream) => Download(destination, _scalesAt, ScaleBytes, stream);

    /// <summary>Frees the weights. Work already enqueued still finds them.</summary>
    public void Dispose() => _memory.Dispose();

    /// <summary>What launchers take, for work that a stream is given now.</summary>
    internal aios_qmatrix NativeOn(Stream stream)
    {
        nint start = _memory.On(stream);
        return new aios_qmatrix
        {
            data = (void*)start,
            scales = ScaleBytes > 0 ? (void*)(start + (nint)_scalesAt) : null,
            zeros = HasZeroPoints ? (void*)(start + (nint)_zerosAt) : null,
            rows = Rows,
            cols = Columns,
            group = Group,
            format = (aios_dtype)Format,
        };
    }

    private static long Aligned(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;

    private void Upload(Stream stream, string name, ReadOnlySpan<byte> bytes, long at, long length)
    {
        if (bytes.Length != length)
        {
            throw new ArgumentException($"QuantizedTensor.From: {name} have {bytes.Length} bytes; {Format} [{Rows}, {Columns}] has {length}");
        }

        if (length > 0)
        {
            stream.CopyFromHost(_memory.On(stream) + (nint)at, bytes);
        }
    }

    private void Download(Span<byte> destination, long at, long length, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (destination.Length != length)
        {
            throw new ArgumentException($"the destination has {destination.Length} bytes; there are {length}", nameof(destination));
        }

        if (length > 0)
        {
            stream.CopyToHost(destination, _memory.On(stream) + (nint)at);
        }
    }
}

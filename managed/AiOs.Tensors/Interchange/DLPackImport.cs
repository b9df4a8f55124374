using System.Globalization;
using AiOs.Interop;

namespace AiOs.Tensors;

/// <summary>Checks what a producer handed over and makes a tensor over it. Each refusal is one line.</summary>
internal static unsafe class DLPackImport
{
    private const string Call = "Tensor.FromDLPack";

    /// <summary>A tensor over the producer's memory. Owns <paramref name="source"/> from here on, also when it refuses it.</summary>
    public static TensorBody Adopt(DLPackHandle source, Stream stream)
    {
        DLPackHandle owner = source.Move();
        try
        {
            return owner.IsVersioned ? Versioned(owner, stream) : Build(owner, &((aios_dlpack_legacy*)owner.Pointer)->tensor, default, stream);
        }
        catch
        {
            owner.Dispose();
            throw;
        }
    }

    private static TensorBody Versioned(DLPackHandle owner, Stream stream)
    {
        var managed = (aios_dlpack_managed*)owner.Pointer;
        if (managed->version.major != AiosConstants.AIOS_DLPACK_MAJOR)
        {
            throw Refusal($"the tensor has DLPack {managed->version.major}.{managed->version.minor}, whose layout is another; ask the producer for version {AiosConstants.AIOS_DLPACK_MAJOR}");
        }

        return Build(owner, &managed->tensor, managed->flags, stream);
    }

    private static TensorBody Build(DLPackHandle owner, aios_dlpack_tensor* tensor, aios_dlpack_flags flags, Stream stream)
    {
        if (!DLPackTypes.Reaches(stream.Device, tensor->device))
        {
            throw Refusal($"the data is on {DLPackTypes.Text(tensor->device)}, which the stream's device {stream.Device.Name} cannot reach; copy it there in the producer");
        }

        DType dtype = DLPackTypes.From(tensor->dtype)
            ?? throw Refusal($"elements are {DLPackTypes.Text(tensor->dtype)}; a tensor holds float32, float16, bfloat16, int32, int8, uint8, float8_e4m3fn or float8_e5m2, one to an element");
        if (tensor->rank is < 0 or > Extents.Capacity)
        {
            throw Refusal($"the tensor has {tensor->rank} dimensions; a tensor has at most {Extents.Capacity}");
        }

        int rank = tensor->rank;
        if (rank > 0 && tensor->shape is null)
        {
            throw Refusal($"the tensor has no shape");
        }

        var shape = new ReadOnlySpan<long>(tensor->shape, rank);
        Require.Shape(Call, shape);
        Extents extents = default;
        Span<long> strides = ((Span<long>)extents)[..rank];
        if (tensor->strides is null)
        {
            Shapes.DenseStrides(shape, strides);
        }
        else
        {
            new ReadOnlySpan<long>(tensor->strides, rank).CopyTo(strides);
        }

        long length = Measure(shape, strides, dtype, out long bytes);
        if (length > 0 && tensor->data is null)
        {
            throw Refusal($"the tensor {Shapes.Text(shape)} has no data");
        }

        if ((UInt128)(nuint)tensor->data + tensor->byte_offset + (UInt128)bytes > (UInt128)nint.MaxValue)
        {
            throw Refusal($"the data ends beyond the address space: {bytes} bytes that begin {tensor->byte_offset} bytes after 0x{(nint)tensor->data:x}");
        }

        nint pointer = length == 0 ? 0 : (nint)tensor->data + (nint)tensor->byte_offset;

        if (pointer % dtype.Size() != 0)
        {
            throw Refusal($"the data starts at 0x{pointer:x}, which is not aligned to its elements of {dtype.Size()} bytes; copy it in the producer");
        }

        var memory = new ForeignMemory(
            owner, stream.Device, pointer, flags.HasFlag(aios_dlpack_flags.ReadOnly), flags.HasFlag(aios_dlpack_flags.Copied));
        stream.Device.Races?.Import(pointer, length == 0 ? 0 : bytes);
        return TensorBody.Foreign(memory, pointer, dtype, shape, strides, stream);
    }

    /// <summary>Number of elements, and bytes from the first to the last; refuses what cannot be addressed and strides that go backwards.</summary>
    private static long Measure(ReadOnlySpan<long> shape, ReadOnlySpan<long> strides, DType dtype, out long bytes)
    {
        Int128 length = 1, reach = 1;
        for (int d = 0; d < shape.Length; d++)
        {
            length *= shape[d];
            if (strides[d] < 0 && shape[d] > 1)
            {
                throw Refusal($"dimension {d} has the stride {strides[d]}; a tensor's strides are not negative (copy it in the producer)");
            }

            reach += shape[d] > 1 ? (Int128)(shape[d] - 1) * strides[d] : 0;
            if (length > long.MaxValue || reach > long.MaxValue / dtype.Size())
            {
                throw Refusal($"shape {Shapes.Text(shape)} with strides {Shapes.Text(strides)} is larger than the address space");
            }
        }

        bytes = (long)reach * dtype.Size();
        return (long)length;
    }

    private static ArgumentException Refusal(FormattableString reason) => new($"{Call}: {reason.ToString(CultureInfo.InvariantCulture)}");
}

using System.Buffers;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using AiOs.Interop;
using AiOs.Runtime;
using CommunityToolkit.HighPerformance;

namespace AiOs.Tensors;

/// <content>Values on the host in the types of other .NET libraries.</content>
public readonly partial struct Tensor
{
    /// <summary>A tensor with the values of the host; the copy has been made when this returns.</summary>
    /// <param name="stream">The stream that uses it; its device holds the data.</param>
    /// <param name="values">The values, of any strides; their shape, of at most 8 dimensions, becomes the tensor's.</param>
    /// <typeparam name="T">float, Half, <see cref="BFloat16"/>, int, sbyte or byte.</typeparam>
    /// <exception cref="ArgumentException">There are more than 8 dimensions.</exception>
    public static Tensor From<T>(Stream stream, ReadOnlyTensorSpan<T> values)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(stream);
        Extents extents = default;
        Tensor tensor = Empty(stream, DTypes.Of<T>(), ShapeOf("Tensor.From", values.Lengths, extents));
        tensor.CopyFrom(values, stream);
        return tensor;
    }

    /// <summary>A tensor of two dimensions with the values of a matrix; the copy has been made when this returns.</summary>
    /// <param name="stream">The stream that uses it; its device holds the data.</param>
    /// <param name="values">The values; rows may lie apart.</param>
    /// <typeparam name="T">float, Half, <see cref="BFloat16"/>, int, sbyte or byte.</typeparam>
    public static Tensor From<T>(Stream stream, ReadOnlySpan2D<T> values)
        where T : unmanaged
    {
        Tensor tensor = Empty(stream, DTypes.Of<T>(), values.Height, values.Width);
        tensor.CopyFrom(values, stream);
        return tensor;
    }

    /// <summary>The values in pinned memory, after all work of the stream.</summary>
    /// <param name="stream">The stream that copies; waits for it.</param>
    /// <typeparam name="T">The .NET type of the dtype: float, Half, <see cref="BFloat16"/>, int, sbyte or byte.</typeparam>
    /// <returns>A dense copy, which the caller disposes.</returns>
    /// <exception cref="ArgumentException">The type does not match, or there are more than 2³¹ - 1 elements.</exception>
    public HostTensor<T> ToHost<T>(Stream stream)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(stream);
        TensorBody body = Body;
        if (body.Length > int.MaxValue)
        {
            Require.Throw($"Tensor.ToHost: the tensor {Require.Text(body)} has more elements than a span can; copy parts of it");
        }

        PinnedMemory<T> memory = stream.Device.AllocatePinned<T>((int)body.Length);
        try
        {
            CopyTo(memory.GetSpan(), stream);
        }
        catch
        {
            ((IDisposable)memory).Dispose();
            throw;
        }

        return new HostTensor<T>(memory, body.Shape);
    }

    /// <summary>
    /// Shows the tensor's own memory to the host, without a copy, once all work of the stream has run. Only devices whose
    /// memory is the host's can do that: code that must run on every device uses <see cref="ToHost{T}"/>.
    /// </summary>
    /// <param name="stream">The stream whose work writes the tensor; waits for it.</param>
    /// <typeparam name="T">The .NET type of the dtype: float, Half, <see cref="BFloat16"/>, int, sbyte or byte.</typeparam>
    /// <exception cref="NotSupportedException">The host cannot reach the device's memory.</exception>
    /// <exception cref="ArgumentException">The type does not match, or the tensor is read-only.</exception>
    public HostView<T> MapHost<T>(Stream stream)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(stream);
        TensorBody body = Body;
        Require.HostType("Tensor.MapHost", body, DTypes.Of<T>(), body.Length);
        Require.Writable("Tensor.MapHost", body);
        if (body.Device.Driver.InterchangeDevice.type != aios_dlpack_device_type.Cpu)
        {
            throw new NotSupportedException($"Tensor.MapHost: the host cannot reach the memory of {body.Device.Name}; use Tensor.ToHost");
        }

        stream.Synchronize();
        body.Device.Races?.HostAccess(body.Pointer, body.ReachBytes, isWrite: true);
        return new HostView<T>(body);
    }

    /// <summary>Copies all elements to the host, after all work of the stream, and waits.</summary>
    /// <param name="destination">Receives them; of the tensor's shape, of any strides.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <typeparam name="T">The .NET type of the dtype: float, Half, <see cref="BFloat16"/>, int, sbyte or byte.</typeparam>
    /// <exception cref="ArgumentException">The shape or the type does not match.</exception>
    public void CopyTo<T>(TensorSpan<T> destination, Stream stream)
        where T : unmanaged
    {
        RequireShape("Tensor.CopyTo", destination.Lengths);
        using HostTensor<T> dense = ToHost<T>(stream);
        dense.AsReadOnlyTensorSpan().CopyTo(destination);
    }

    /// <summary>Copies a tensor of two dimensions to a matrix, after all work of the stream, and waits.</summary>
    /// <param name="destination">Receives the rows, which may lie apart; of the tensor's shape.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <typeparam name="T">The .NET type of the dtype: float, Half, <see cref="BFloat16"/>, int, sbyte or byte.</typeparam>
    /// <exception cref="ArgumentException">The shape or the type does not match, or the tensor is not contiguous.</exception>
    public unsafe void CopyTo<T>(Span2D<T> destination, Stream stream)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(stream);
        TensorBody body = MatrixBody<T>("Tensor.CopyTo", destination.Height, destination.Width);
        fixed (T* first = destination)
        {
            for (int row = 0; row < destination.Height && destination.Width > 0; row++)
            {
                nint target = (nint)Unsafe.AsPointer(ref destination.DangerousGetReferenceAt(row, 0));
                stream.CopyHost(target, body.Pointer + ((nint)row * destination.Width * sizeof(T)), (long)destination.Width * sizeof(T), toHost: true);
            }

            stream.Synchronize();
        }
    }

    /// <summary>Overwrites all elements with the values of the host and waits until they may change again.</summary>
    /// <param name="values">The values, of the tensor's shape, of any strides.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <typeparam name="T">The .NET type of the dtype: float, Half, <see cref="BFloat16"/>, int, sbyte or byte.</typeparam>
    /// <exception cref="ArgumentException">
    /// The shape or the type does not match, or the tensor is not contiguous or read-only.
    /// </exception>
    public void CopyFrom<T>(ReadOnlyTensorSpan<T> values, Stream stream)
        where T : unmanaged
    {
        RequireShape("Tensor.CopyFrom", values.Lengths);
        if (Length > int.MaxValue)
        {
            Require.Throw($"Tensor.CopyFrom: the tensor {Require.Text(Body)} has more elements than a span can; copy parts of it");
        }

        T[] dense = ArrayPool<T>.Shared.Rent((int)Length);
        try
        {
            values.FlattenTo(dense);
            CopyFrom<T>(dense.AsSpan(0, (int)Length), stream);
        }
        finally
        {
            ArrayPool<T>.Shared.Return(dense);
        }
    }

    /// <summary>Overwrites all elements of a tensor of two dimensions with a matrix and waits until it may change again.</summary>
    /// <param name="values">The values, of the tensor's shape; rows may lie apart.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <typeparam name="T">The .NET type of the dtype: float, Half, <see cref="BFloat16"/>, int, sbyte or byte.</typeparam>
    /// <exception cref="ArgumentException">
    /// The shape or the type does not match, or the tensor is not contiguous or read-only.
    /// </exception>
    public unsafe void CopyFrom<T>(ReadOnlySpan2D<T> values, Stream stream)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(stream);
        TensorBody body = MatrixBody<T>("Tensor.CopyFrom", values.Height, values.Width);
        Require.Writable("Tensor.CopyFrom", body);
        fixed (T* first = values)
        {
            for (int row = 0; row < values.Height && values.Width > 0; row++)
            {
                nint source = (nint)Unsafe.AsPointer(ref values.DangerousGetReferenceAt(row, 0));
                stream.CopyHost(body.Pointer + ((nint)row * values.Width * sizeof(T)), source, (long)values.Width * sizeof(T), toHost: false);
            }

            stream.Synchronize();
        }
    }

    private TensorBody MatrixBody<T>(string op, int rows, int columns)
        where T : unmanaged
    {
        RequireShape(op, [rows, columns]);
        TensorBody body = Body;
        Require.HostType(op, body, DTypes.Of<T>(), (long)rows * columns);
        Require.Contiguous(op, body);
        return body;
    }

    private void RequireShape(string op, ReadOnlySpan<nint> lengths)
    {
        TensorBody body = Body;
        Extents extents = default;
        ReadOnlySpan<long> shape = ShapeOf(op, lengths, extents);
        if (!shape.SequenceEqual(body.Shape) && !(body.Rank == 0 && shape is [1]))
        {
            Require.Throw($"{op}: the tensor has shape {Require.Text(body)} and the host's values {Shapes.Text(shape)}");
        }
    }

    private static ReadOnlySpan<long> ShapeOf(string op, ReadOnlySpan<nint> lengths, Span<long> extents)
    {
        if (lengths.Length > Extents.Capacity)
        {
            Require.Throw($"{op}: the host's values have {lengths.Length} dimensions; a tensor has at most {Extents.Capacity}");
        }

        for (int d = 0; d < lengths.Length; d++)
        {
            extents[d] = lengths[d];
        }

        return extents[..lengths.Length];
    }
}

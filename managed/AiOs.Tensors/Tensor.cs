using System.Runtime.CompilerServices;
using AiOs.Runtime;

namespace AiOs.Tensors;

/// <summary>
/// A handle to an array on a device: element type, shape of up to 8 dimensions, strides, data. Copies of the handle mean
/// the same tensor. Tensors made by the functions of this type belong to the caller, who disposes them; those made by
/// <see cref="Ops"/> belong to the <see cref="Tape"/>. Using a tensor after its end throws
/// <see cref="ObjectDisposedException"/>. A tensor is used by one thread at a time.
/// </summary>
public readonly partial struct Tensor : IDisposable, IEquatable<Tensor>
{
    private readonly TensorBody? _body;
    private readonly int _generation;

    internal Tensor(TensorBody body)
    {
        _body = body;
        _generation = body.Generation;
    }

    /// <summary>True for the default value, which stands for "no tensor".</summary>
    public bool IsNull => _body is null;

    /// <summary>True when the tensor's life has ended.</summary>
    public bool IsDisposed => _body is not null && _body.Generation != _generation;

    /// <summary>Element type.</summary>
    public DType DType => Body.DType;

    /// <summary>The device that holds the data.</summary>
    public Device Device => Body.Device;

    /// <summary>Number of dimensions; 0 for a scalar.</summary>
    public int Rank => Body.Rank;

    /// <summary>Number of elements.</summary>
    public long Length => Body.Length;

    /// <summary>Extents, outermost first; valid until the tensor's end.</summary>
    public ReadOnlySpan<long> Shape => Body.Shape;

    /// <summary>Distances, in elements, between neighbours of each dimension; 0 where a view broadcasts.</summary>
    public ReadOnlySpan<long> Strides => Body.Strides;

    /// <summary>True when the elements lie densely in row-major order.</summary>
    public bool IsContiguous => Body.IsContiguous;

    /// <summary>True when gradients flow to or through this tensor.</summary>
    public bool RequiresGrad => Body.RequiresGrad;

    /// <summary>
    /// The gradient of a leaf, contiguous, of its shape and dtype; null when none has arrived since
    /// <see cref="ClearGrad"/>. It belongs to this tensor: disposing the returned handle does nothing.
    /// </summary>
    public Tensor Grad => Body is { Grad: { } gradient, GradIsStale: false } ? new Tensor(gradient) : default;

    /// <summary>
    /// Address of the first element on the device, for work of the stream it was made on; <see cref="On"/> gives it to other
    /// streams.
    /// </summary>
    public nint Pointer => Body.Pointer;

    internal TensorBody Body
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            TensorBody? body = _body;
            if (body is null || body.Generation != _generation)
            {
                ThrowUnusable();
            }

            return body!;
        }
    }

    /// <summary>True when both handles mean the same tensor.</summary>
    /// <param name="left">One handle.</param>
    /// <param name="right">The other.</param>
    public static bool operator ==(Tensor left, Tensor right) => left.Equals(right);

    /// <summary>True when the handles mean different tensors.</summary>
    /// <param name="left">One handle.</param>
    /// <param name="right">The other.</param>
    public static bool operator !=(Tensor left, Tensor right) => !left.Equals(right);

    /// <summary>A tensor of undefined contents.</summary>
    /// <param name="stream">The stream that uses it; its device holds the data.</param>
    /// <param name="dtype">Element type.</param>
    /// <param name="shape">Extents, at most 8, none negative.</param>
    /// <exception cref="ArgumentException">The shape is not possible.</exception>
    /// <exception cref="DeviceOutOfMemoryException">The device has no memory left.</exception>
    public static Tensor Empty(Stream stream, DType dtype, params ReadOnlySpan<long> shape)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Require.Shape("Tensor.Empty", shape);
        return new Tensor(TensorBody.Allocate(stream, dtype, shape));
    }

    /// <summary>A tensor of zeros.</summary>
    /// <inheritdoc cref="Empty"/>
    public static Tensor Zeros(Stream stream, DType dtype, params ReadOnlySpan<long> shape)
    {
        Tensor tensor = Empty(stream, dtype, shape);
        stream.Fill(tensor.Pointer, 0, tensor.Body.Bytes);
        return tensor;
    }

    /// <summary>A tensor of one value everywhere.</summary>
    /// <param name="stream">The stream that uses it; its device holds the data.</param>
    /// <param name="dtype">Element type: F32, BF16 or I32.</param>
    /// <param name="value">The value; truncated toward zero for I32.</param>
    /// <param name="shape">Extents, at most 8, none negative.</param>
    public static Tensor Full(Stream stream, DType dtype, double value, params ReadOnlySpan<long> shape)
    {
        Tensor tensor = Empty(stream, dtype, shape);
        Launch.Fill(stream, tensor.Body, value);
        return tensor;
    }

    /// <summary>A tensor with the values of the host, row-major.</summary>
    /// <param name="stream">The stream that uses it; its device holds the data. Waits for the copy.</param>
    /// <param name="values">As many values as the shape has elements.</param>
    /// <param name="shape">Extents, at most 8, none negative.</param>
    /// <typeparam name="T">float, Half, <see cref="BFloat16"/>, int, sbyte or byte.</typeparam>
    /// <exception cref="ArgumentException">The number of values is not that of the shape.</exception>
    public static Tensor From<T>(Stream stream, ReadOnlySpan<T> values, params ReadOnlySpan<long> shape)
        where T : unmanaged
    {
        Require.Shape("Tensor.From", shape);
        Require.Count("Tensor.From", values.Length, shape);
        Tensor tensor = Empty(stream, DTypes.Of<T>(), shape);
        stream.CopyFromHost(tensor.Pointer, values);
        return tensor;
    }

    /// <summary>Marks this tensor as one whose gradient is wanted, and returns it.</summary>
    /// <exception cref="InvalidOperationException">It is not floating-point, not contiguous, read-only, or made by an op.</exception>
    public Tensor WithGrad()
    {
        TensorBody body = Body;
        if (!body.DType.IsFloating() || !body.IsContiguous || body.IsReadOnly || body.Tape is not null)
        {
            throw new InvalidOperationException(
                $"WithGrad: a {body.DType} tensor {Shapes.Text(body.Shape)} cannot be a leaf; use a contiguous, writable floating-point tensor made by Tensor.From, Zeros or Full");
        }

        body.RequiresGrad = true;
        body.IsLeaf = true;
        return this;
    }

    /// <summary>
    /// The address of the first element for work that is enqueued on a stream right after this call: when the tensor is
    /// disposed, its memory is not used again before that work has run. Ops do this themselves.
    /// </summary>
    /// <param name="stream">The stream, of the same device.</param>
    public nint On(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return Body.On(stream);
    }

    /// <summary>Copies all elements to the host in row-major order, after all work of the stream, and waits.</summary>
    /// <param name="destination">Exactly as many elements as the tensor has.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <typeparam name="T">The .NET type of the dtype: float, Half, <see cref="BFloat16"/>, int, sbyte or byte.</typeparam>
    /// <exception cref="ArgumentException">The length or the type does not match.</exception>
    public void CopyTo<T>(Span<T> destination, Stream stream)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(stream);
        TensorBody body = Body;
        Require.HostType("Tensor.CopyTo", body, DTypes.Of<T>(), destination.Length);
        if (body.IsContiguous)
        {
            stream.CopyToHost(destination, body.On(stream));
            return;
        }

        TensorBody dense = TensorBody.Allocate(stream, body.DType, body.Shape);
        try
        {
            body.On(stream);
            Launch.Copy(stream, dense, body);
            stream.CopyToHost(destination, dense.Pointer);
        }
        finally
        {
            dense.Drop();
        }
    }

    /// <summary>Overwrites all elements with the values of the host and waits until they may change again.</summary>
    /// <param name="values">Exactly as many elements as the tensor has, row-major.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <typeparam name="T">The .NET type of the dtype: float, Half, <see cref="BFloat16"/>, int, sbyte or byte.</typeparam>
    /// <exception cref="ArgumentException">
    /// The length or the type does not match, or the tensor is not contiguous or read-only.
    /// </exception>
    public void CopyFrom<T>(ReadOnlySpan<T> values, Stream stream)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(stream);
        TensorBody body = Body;
        Require.HostType("Tensor.CopyFrom", body, DTypes.Of<T>(), values.Length);
        Require.Contiguous("Tensor.CopyFrom", body);
        Require.Writable("Tensor.CopyFrom", body);
        stream.CopyFromHost(body.On(stream), values);
    }

    /// <summary>Enqueues overwriting all elements from pinned memory, which must not change until that has run.</summary>
    /// <param name="values">Exactly as many elements as the tensor has, row-major.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <typeparam name="T">The .NET type of the dtype: float, Half, <see cref="BFloat16"/>, int, sbyte or byte.</typeparam>
    /// <exception cref="ArgumentException">
    /// The length or the type does not match, or the tensor is not contiguous or read-only.
    /// </exception>
    public void CopyFrom<T>(PinnedMemory<T> values, Stream stream)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentNullException.ThrowIfNull(stream);
        TensorBody body = Body;
        Require.HostType("Tensor.CopyFrom", body, DTypes.Of<T>(), values.Length);
        Require.Contiguous("Tensor.CopyFrom", body);
        Require.Writable("Tensor.CopyFrom", body);
        stream.Copy(body.On(stream), values.Pointer, values.Bytes);
    }

    /// <summary>The only element of an F32 or BF16 tensor, after all work of the stream.</summary>
    /// <param name="stream">The stream that copies.</param>
    /// <exception cref="ArgumentException">The tensor does not have exactly one element of these types.</exception>
    public float Item(Stream stream)
    {
        if (Body.DType == DType.BF16)
        {
            BFloat16 half = default;
            CopyTo(new Span<BFloat16>(ref half), stream);
            return half;
        }

        float value = 0;
        CopyTo(new Span<float>(ref value), stream);
        return value;
    }

    /// <summary>
    /// Makes the next backward pass overwrite the gradient instead of adding to it. The buffer is kept;
    /// <see cref="Grad"/> is null until a gradient arrives.
    /// </summary>
    public void ClearGrad() => Body.GradIsStale = true;

    /// <summary>
    /// Takes the memory of a leaf's gradient before the first one arrives, so that it does not lie among what a backward
    /// pass needs for a moment. <see cref="Grad"/> is null until then.
    /// </summary>
    /// <param name="stream">The stream of the backward passes.</param>
    /// <exception cref="AiOsException">The tensor is no leaf that gradients flow to.</exception>
    public void ReserveGrad(Stream stream)
    {
        TensorBody body = Body;
        if (!body.IsLeaf || !body.RequiresGrad)
        {
            throw new AiOsException("ReserveGrad: the tensor gets no gradient; make it a leaf by WithGrad first");
        }

        if (body.Grad is null)
        {
            body.SetGrad(TensorBody.Allocate(stream, body.DType, body.Shape));
            body.GradIsStale = true;
        }
    }

    /// <summary>Ends the tensor's life; does nothing for null, for a tensor already disposed, and for a gradient.</summary>
    public void Dispose()
    {
        if (_body is { } body && body.Generation == _generation && !body.IsGradient)
        {
            body.DropHandle();
        }
    }

    /// <inheritdoc/>
    public bool Equals(Tensor other) => ReferenceEquals(_body, other._body) && _generation == other._generation;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Tensor other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_body is null ? 0 : RuntimeHelpers.GetHashCode(_body), _generation);

    /// <summary>Element type and shape, for messages.</summary>
    public override string ToString() => IsNull ? "null" : IsDisposed ? "disposed" : $"{DType} {Shapes.Text(Shape)}";

    private void ThrowUnusable()
    {
        if (_body is null)
        {
            throw new InvalidOperationException("the tensor is null: it was never assigned, or there is no gradient");
        }

        throw new ObjectDisposedException(
            nameof(Tensor), "the tensor was disposed, or belonged to a tape whose Backward or Reset ended it; Tape.Keep makes one outlive them");
    }
}

using System.Numerics.Tensors;

namespace AiOs.Tensors;

/// <summary>
/// A tensor whose memory the host can reach, seen in place: <see cref="Tensor.MapHost{T}"/>. While it is open nothing
/// must be enqueued that writes the tensor, nor, when the view is written to, anything that reads it. Dispose it before.
/// </summary>
/// <typeparam name="T">Element type.</typeparam>
public readonly unsafe ref struct HostView<T> : IDisposable
    where T : unmanaged
{
    private readonly TensorBody _body;

    internal HostView(TensorBody body)
    {
        _body = body.Hold();
        Span<nint> lengths = stackalloc nint[Extents.Capacity], strides = stackalloc nint[Extents.Capacity];
        for (int d = 0; d < body.Rank; d++)
        {
            lengths[d] = (nint)body.Shape[d];

            // What has one element or is broadcast has no distance to a neighbour.
            strides[d] = body.Shape[d] > 1 ? (nint)body.Strides[d] : 0;
        }

        if (body.Rank == 0)
        {
            lengths[0] = 1;
        }

        int rank = Math.Max(1, body.Rank);
        Span = body.Length == 0
            ? new TensorSpan<T>((T*)body.Pointer, 0, lengths[..rank])
            : new TensorSpan<T>((T*)body.Pointer, (nint)(body.ReachBytes / sizeof(T)), lengths[..rank], strides[..rank]);
    }

    /// <summary>The elements, with the tensor's shape and strides; a scalar is one dimension of length 1.</summary>
    public TensorSpan<T> Span { get; }

    /// <summary>Ends the view: the memory may be freed from here on.</summary>
    public void Dispose() => _body.Drop();
}

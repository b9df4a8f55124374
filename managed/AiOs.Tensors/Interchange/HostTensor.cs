using System.Numerics.Tensors;
using AiOs.Runtime;
using CommunityToolkit.HighPerformance;

namespace AiOs.Tensors;

/// <summary>
/// The values of a tensor on the host, dense and row-major, in pinned memory: <see cref="Tensor.ToHost{T}"/>. Copies from it
/// to the device need not wait. Spans of it must not be used after it was disposed.
/// </summary>
/// <typeparam name="T">Element type.</typeparam>
public sealed class HostTensor<T> : IDisposable
    where T : unmanaged
{
    private readonly nint[] _lengths;

    internal HostTensor(PinnedMemory<T> memory, ReadOnlySpan<long> shape)
    {
        Memory = memory;
        _lengths = new nint[shape.Length];
        for (int d = 0; d < shape.Length; d++)
        {
            _lengths[d] = (nint)shape[d];
        }
    }

    /// <summary>All values in order.</summary>
    public PinnedMemory<T> Memory { get; }

    /// <summary>Extents, outermost first.</summary>
    public ReadOnlySpan<nint> Lengths => _lengths;

    /// <summary>The values with their shape; a scalar is one dimension of length 1.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public TensorSpan<T> AsTensorSpan() => Memory.AsTensorSpan(_lengths);

    /// <summary>The values with their shape, for reading; a scalar is one dimension of length 1.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public ReadOnlyTensorSpan<T> AsReadOnlyTensorSpan() => new(Memory.ReadOnlySpan, _lengths.Length == 0 ? [1] : _lengths);

    /// <summary>The values of a tensor of two dimensions as rows and columns.</summary>
    /// <exception cref="InvalidOperationException">The tensor does not have two dimensions.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public Memory2D<T> AsMemory2D() => _lengths.Length == 2
        ? Memory.AsMemory2D((int)_lengths[0], (int)_lengths[1])
        : throw new InvalidOperationException($"the tensor has {_lengths.Length} dimensions; a matrix has 2");

    /// <summary>Frees the memory.</summary>
    public void Dispose() => ((IDisposable)Memory).Dispose();
}

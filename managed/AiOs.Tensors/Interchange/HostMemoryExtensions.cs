using System.Numerics.Tensors;
using AiOs.Runtime;
using CommunityToolkit.HighPerformance;

namespace AiOs.Tensors;

/// <summary>Pinned memory as what other .NET libraries take: tensors of System.Numerics.Tensors, matrices of the Community Toolkit.</summary>
public static class HostMemoryExtensions
{
    /// <summary>The start of the memory as a dense row-major tensor.</summary>
    /// <param name="memory">The memory; it must not be disposed while the span is used.</param>
    /// <param name="lengths">Extents, outermost first; none means one dimension of length 1.</param>
    /// <typeparam name="T">Element type.</typeparam>
    /// <exception cref="ArgumentException">An extent is negative, or the memory has fewer elements than the shape.</exception>
    /// <exception cref="ObjectDisposedException">The memory was disposed.</exception>
    public static TensorSpan<T> AsTensorSpan<T>(this PinnedMemory<T> memory, params ReadOnlySpan<nint> lengths)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(memory);
        long length = 1;
        foreach (nint extent in lengths)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(extent, nameof(lengths));
            length = checked(length * extent);
        }

        if (length > memory.Length)
        {
            throw new ArgumentException($"the shape has {length} elements and the memory {memory.Length}", nameof(lengths));
        }

        return new TensorSpan<T>(memory.GetSpan()[..(int)length], lengths.IsEmpty ? [1] : lengths);
    }

    /// <summary>The start of the memory as a dense matrix.</summary>
    /// <param name="memory">The memory; it must not be disposed while the matrix is used.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="columns">Number of columns.</param>
    /// <typeparam name="T">Element type.</typeparam>
    /// <exception cref="ArgumentException">An extent is negative, or the memory has fewer elements than the matrix.</exception>
    /// <exception cref="ObjectDisposedException">The memory was disposed.</exception>
    public static Memory2D<T> AsMemory2D<T>(this PinnedMemory<T> memory, int rows, int columns)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(memory);
        _ = memory.Pointer; // Throws when it was disposed, which Memory does only when it is read.
        return memory.Memory.AsMemory2D(0, rows, columns, 0);
    }
}

using System.Runtime.CompilerServices;

namespace AiOs.Tensors;

/// <summary>Room for one number per dimension, without an array object.</summary>
[InlineArray(Capacity)]
internal struct Extents
{
    /// <summary>Highest rank of a tensor; AIOS_MAX_RANK.</summary>
    public const int Capacity = 8;

#pragma warning disable IDE0044 // The field is the storage of the inline array.
    private long _first;
#pragma warning restore IDE0044
}

/// <summary>Arithmetic on shapes.</summary>
internal static class Shapes
{
    /// <summary>Product of the extents.</summary>
    public static long Product(ReadOnlySpan<long> shape)
    {
        long product = 1;
        foreach (long extent in shape)
        {
            product = checked(product * extent);
        }

        return product;
    }

    /// <summary>Writes the strides of a dense row-major buffer.</summary>
    public static void DenseStrides(ReadOnlySpan<long> shape, Span<long> strides)
    {
        long stride = 1;
        for (int d = shape.Length - 1; d >= 0; d--)
        {
            strides[d] = stride;
            stride *= shape[d];
        }
    }

    /// <summary>Elements from the first to the last one; 0 when there is none.</summary>
    public static long Reach(ReadOnlySpan<long> shape, ReadOnlySpan<long> strides)
    {
        long reach = 1;
        for (int d = 0; d < shape.Length; d++)
        {
            if (shape[d] == 0)
            {
                return 0;
            }

            reach += (shape[d] - 1) * strides[d];
        }

        return reach;
    }

    /// <summary>True when the strides are those of a dense row-major buffer, extents of 1 aside.</summary>
    public static bool IsDense(ReadOnlySpan<long> shape, ReadOnlySpan<long> strides)
    {
        long stride = 1;
        for (int d = shape.Length - 1; d >= 0; d--)
        {
            if (shape[d] != 1 && strides[d] != stride)
            {
                return false;
            }

            stride *= shape[d];
        }

        return true;
    }

    /// <summary>The shape as text: [2, 3].</summary>
    public static string Text(ReadOnlySpan<long> shape)
    {
        var text = new DefaultInterpolatedStringHandler(2, shape.Length);
        text.AppendLiteral("[");
        for (int d = 0; d < shape.Length; d++)
        {
            text.AppendLiteral(d == 0 ? "" : ", ");
            text.AppendFormatted(shape[d]);
        }

        text.AppendLiteral("]");
        return text.ToStringAndClear();
    }
}

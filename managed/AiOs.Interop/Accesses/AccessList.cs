using System.Runtime.InteropServices;

namespace AiOs.Interop;

/// <summary>A dimension of a buffer.</summary>
/// <param name="Extent">Number of elements; with 0 or fewer nothing is accessed.</param>
/// <param name="Stride">Elements from one to the next; <see cref="Dense"/> for those of the dimensions inside.</param>
public readonly record struct AccessDimension(long Extent, long Stride = AccessDimension.Dense)
{
    /// <summary>The stride of a dimension that follows the one inside it without gaps.</summary>
    public const long Dense = long.MinValue;
}

/// <summary>One access: what of which buffer, and how.</summary>
/// <param name="Name">Name of the buffer.</param>
/// <param name="Range">The bytes.</param>
/// <param name="IsWrite">Whether they are written.</param>
public readonly record struct RangeAccess(string Name, StridedRange Range, bool IsWrite);

/// <summary>What one launch accesses. Each thread has one list, which every launch starts anew.</summary>
public sealed unsafe class AccessList
{
    private const int MaxRank = 8;

    [ThreadStatic]
    private static AccessList? t_list;

    private readonly List<RangeAccess> _accesses = [];

    private AccessList()
    {
    }

    /// <summary>Name of the function that is launched.</summary>
    public string Operation { get; private set; } = "";

    /// <summary>The accesses so far.</summary>
    public ReadOnlySpan<RangeAccess> Accesses => CollectionsMarshal.AsSpan(_accesses);

    /// <summary>What the observer wants to find again when the launch returns.</summary>
    public object? State { get; set; }

    /// <summary>Starts the calling thread's list anew.</summary>
    /// <param name="operation">Name of the function.</param>
    public static AccessList Begin(string operation)
    {
        AccessList list = t_list ??= new AccessList();
        list._accesses.Clear();
        list.Operation = operation;
        list.State = null;
        return list;
    }

    /// <summary>Bytes of an element; 0 when elements of the type have no size of their own.</summary>
    public static long SizeOf(aios_dtype type) => type switch
    {
        aios_dtype.F32 or aios_dtype.I32 => 4,
        aios_dtype.F16 or aios_dtype.Bf16 => 2,
        aios_dtype.I8 or aios_dtype.U8 or aios_dtype.F8e4m3 or aios_dtype.F8e5m2 => 1,
        _ => 0,
    };

    /// <summary>A quotient of integers; 0 when there is none, because a launcher may be given anything.</summary>
    public static long Quotient(long dividend, long divisor) => divisor is 0 or -1 ? -divisor * dividend : dividend / divisor;

    /// <summary>Adds a buffer that is read.</summary>
    /// <param name="name">Name of the buffer.</param>
    /// <param name="buffer">Its address; null is not accessed.</param>
    /// <param name="size">Bytes of an element.</param>
    /// <param name="dimensions">Dimensions, outermost first, at most 8.</param>
    public void Reads(string name, void* buffer, long size, ReadOnlySpan<AccessDimension> dimensions) =>
        Add(name, (long)buffer, size, dimensions, false);

    /// <summary>Adds a buffer that is written.</summary>
    /// <inheritdoc cref="Reads(string, void*, long, ReadOnlySpan{AccessDimension})"/>
    public void Writes(string name, void* buffer, long size, ReadOnlySpan<AccessDimension> dimensions) =>
        Add(name, (long)buffer, size, dimensions, true);

    /// <summary>Adds a buffer that is read, by arrays of extents and strides.</summary>
    /// <param name="name">Name of the buffer.</param>
    /// <param name="buffer">Its address; null is not accessed.</param>
    /// <param name="size">Bytes of an element.</param>
    /// <param name="rank">Number of dimensions.</param>
    /// <param name="extents">Extents, outermost first.</param>
    /// <param name="strides">Strides in elements.</param>
    public void Reads(string name, void* buffer, long size, int rank, ReadOnlySpan<long> extents, ReadOnlySpan<long> strides) =>
        Add(name, buffer, size, rank, extents, strides, false);

    /// <summary>Adds a buffer that is written, by arrays of extents and strides.</summary>
    /// <inheritdoc cref="Reads(string, void*, long, int, ReadOnlySpan{long}, ReadOnlySpan{long})"/>
    public void Writes(string name, void* buffer, long size, int rank, ReadOnlySpan<long> extents, ReadOnlySpan<long> strides) =>
        Add(name, buffer, size, rank, extents, strides, true);

    private void Add(string name, void* buffer, long size, int rank, ReadOnlySpan<long> extents, ReadOnlySpan<long> strides, bool isWrite)
    {
        if (rank < 0 || rank > extents.Length)
        {
            return; // The launcher rejects it.
        }

        Span<AccessDimension> dimensions = stackalloc AccessDimension[MaxRank];
        for (int d = 0; d < rank; d++)
        {
            dimensions[d] = new AccessDimension(extents[d], strides[d]);
        }

        Add(name, (long)buffer, size, dimensions[..rank], isWrite);
    }

    // Brings any strides into the form of runs: dimensions by ascending stride, those without gaps merged.
    private void Add(string name, long buffer, long size, ReadOnlySpan<AccessDimension> dimensions, bool isWrite)
    {
        if (buffer == 0 || size <= 0)
        {
            return;
        }

        Span<(long Extent, long Stride)> sorted = stackalloc (long, long)[MaxRank];
        int rank = 0;
        long inside = 1;
        for (int d = dimensions.Length - 1; d >= 0; d--)
        {
            (long extent, long stride) = dimensions[d];
            stride = stride == AccessDimension.Dense ? inside : stride;
            inside = extent * stride;
            if (extent <= 0)
            {
                return;
            }

            buffer += stride < 0 ? (extent - 1) * stride * size : 0;
            stride = Math.Abs(stride) * size;
            if (extent == 1 || stride == 0)
            {
                continue;
            }

            int at = rank++;
            for (; at > 0 && sorted[at - 1].Stride > stride; at--)
            {
                sorted[at] = sorted[at - 1];
            }

            sorted[at] = (extent, stride);
        }

        long run = size;
        int levels = 0;
        for (int d = 0; d < rank; d++)
        {
            (long extent, long stride) = sorted[d];
            if (levels == 0 && stride <= run)
            {
                run += (extent - 1) * stride;
            }
            else if (levels > 0 && stride == sorted[levels - 1].Stride * sorted[levels - 1].Extent)
            {
                sorted[levels - 1].Extent *= extent;
            }
            else
            {
                sorted[levels++] = (extent, stride);
            }
        }

        Add(name, buffer, run, sorted[..levels], isWrite);
    }

    private void Add(string name, long start, long run, ReadOnlySpan<(long Extent, long Stride)> levels, bool isWrite)
    {
        if (levels.Length < 2)
        {
            StridedRange range = levels.Length == 0
                ? new StridedRange(start, run) : new StridedRange(start, run, levels[0].Stride, levels[0].Extent);
            _accesses.Add(new RangeAccess(name, range, isWrite));
            return;
        }

        for (long i = 0; i < levels[^1].Extent; i++)
        {
            Add(name, start + (i * levels[^1].Stride), run, levels[..^1], isWrite);
        }
    }
}

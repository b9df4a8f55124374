namespace AiOs.Conformance.Harness;

/// <summary>A strided view into a buffer of <paramref name="Length"/> elements that starts at <paramref name="Start"/>.</summary>
public sealed record View(long[] Shape, long[] Strides, long Start, int Length)
{
    public long Count => Shape.Aggregate(1L, (product, extent) => product * extent);

    /// <summary>Row-major without gaps.</summary>
    public static View Dense(params long[] shape) => Make(shape, [.. Enumerable.Range(0, shape.Length)], 0, [], []);

    /// <summary>
    /// Lays the dimensions out in <paramref name="order"/> (outermost first) with <paramref name="gap"/> unused
    /// elements after each row; dimensions in <paramref name="flipped"/> run backwards, those in
    /// <paramref name="broadcast"/> have stride 0.
    /// </summary>
    public static View Make(long[] shape, int[] order, long gap, int[] flipped, int[] broadcast)
    {
        long[] strides = new long[shape.Length];
        long pitch = 1;
        foreach (int d in order.Reverse())
        {
            if (broadcast.Contains(d))
            {
                continue;
            }

            strides[d] = pitch;
            pitch = (pitch * Math.Max(shape[d], 1)) + gap;
        }

        long start = 0;
        foreach (int d in flipped)
        {
            start += strides[d] * Math.Max(shape[d] - 1, 0);
            strides[d] = -strides[d];
        }

        return new View(shape, strides, start, checked((int)pitch));
    }

    /// <summary>Where the elements lie in the buffer, in row-major order of the shape.</summary>
    public long[] Offsets()
    {
        long[] offsets = new long[Count];
        long[] index = new long[Shape.Length];
        for (long i = 0; i < offsets.Length; i++)
        {
            long at = Start;
            for (int d = 0; d < index.Length; d++)
            {
                at += index[d] * Strides[d];
            }

            offsets[i] = at;
            for (int d = index.Length - 1; d >= 0 && ++index[d] == Shape[d]; d--)
            {
                index[d] = 0;
            }
        }

        return offsets;
    }

    public override string ToString() => $"[{string.Join(',', Shape)}]:({string.Join(',', Strides)})";
}

namespace AiOs.Interop;

/// <summary>Bytes in runs of equal length whose starts are equally far apart; a single run is a plain range.</summary>
/// <param name="Start">Address of the first byte.</param>
/// <param name="Length">Bytes of a run, at least 1.</param>
/// <param name="Pitch">Bytes from the start of one run to that of the next, more than <paramref name="Length"/>; unused with one run.</param>
/// <param name="Count">Number of runs, at least 1.</param>
public readonly record struct StridedRange(long Start, long Length, long Pitch = 0, long Count = 1)
{
    /// <summary>Address behind the last byte.</summary>
    public long End => Start + ((Count - 1) * Pitch) + Length;

    /// <summary>Number of bytes.</summary>
    public long Bytes => Length * Count;

    /// <summary>Whether the two have a byte in common.</summary>
    /// <param name="other">The other.</param>
    /// <param name="start">The first common address found.</param>
    /// <param name="end">The address behind the common bytes that begin there.</param>
    public bool Overlaps(in StridedRange other, out long start, out long end)
    {
        start = end = 0;
        if (Start >= other.End || other.Start >= End)
        {
            return false;
        }

        if (Count > 1 && other.Count > 1 && Pitch == other.Pitch)
        {
            return OverlapsInStep(other, out start, out end);
        }

        if (Count > other.Count)
        {
            return other.Overlaps(this, out start, out end);
        }

        for (long i = 0, at = Start; i < Count; i++, at += Pitch)
        {
            if (other.OverlapsRun(at, at + Length, out start, out end))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The part inside a plain range, which it overlaps; a run that begins or ends inside is kept whole when there are several.</summary>
    /// <param name="start">First address of the range.</param>
    /// <param name="end">Address behind its last byte.</param>
    public StridedRange Clip(long start, long end)
    {
        if (Count == 1)
        {
            long from = Math.Max(Start, start);
            return new StridedRange(from, Math.Min(End, end) - from);
        }

        long first = Math.Max(0, FloorDivide(start - Start - Length, Pitch) + 1);
        long last = Math.Min(Count - 1, FloorDivide(end - 1 - Start, Pitch));
        return last > first ? this with { Start = Start + (first * Pitch), Count = last - first + 1 }
            : new StridedRange(Start + (first * Pitch), Length).Clip(start, end);
    }

    /// <summary>Whether it has surely every byte of the other; false may mean that it is too hard to tell.</summary>
    public bool Covers(in StridedRange other)
    {
        if (Count == 1)
        {
            return other.Start >= Start && other.End <= End;
        }

        if (other.Count > 1 && other.Pitch != Pitch)
        {
            return false;
        }

        long first = FloorDivide(other.Start - Start, Pitch);
        long offset = other.Start - Start - (first * Pitch);
        return first >= 0 && first + other.Count <= Count && offset + other.Length <= Length;
    }

    /// <inheritdoc/>
    public override string ToString() => Count == 1
        ? $"0x{Start:x}..0x{End:x} ({Length} bytes)"
        : $"0x{Start:x}..0x{End:x} ({Count} runs of {Length} bytes, {Pitch} apart)";

    // Run i of this and run i + m of the other; few m come into question, because runs are shorter than the pitch.
    private bool OverlapsInStep(in StridedRange other, out long start, out long end)
    {
        for (long m = FloorDivide(Start - other.Start - other.Length, Pitch) + 1; other.Start + (m * Pitch) < Start + Length; m++)
        {
            long first = Math.Max(0, -m);
            if (first < Math.Min(Count, other.Count - m))
            {
                long mine = Start + (first * Pitch);
                long others = other.Start + ((first + m) * Pitch);
                (start, end) = (Math.Max(mine, others), Math.Min(mine + Length, others + other.Length));
                return true;
            }
        }

        (start, end) = (0, 0);
        return false;
    }

    private bool OverlapsRun(long from, long to, out long start, out long end)
    {
        long run = Count == 1 ? 0 : Math.Max(0, FloorDivide(from - Start - Length, Pitch) + 1);
        long at = Start + (run * Pitch);
        (start, end) = (Math.Max(from, at), Math.Min(to, at + Length));
        return run < Count && start < end;
    }

    private static long FloorDivide(long dividend, long divisor) => (dividend / divisor) - (dividend % divisor < 0 ? 1 : 0);
}

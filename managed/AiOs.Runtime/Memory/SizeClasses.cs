using System.Numerics;
using System.Runtime.CompilerServices;

namespace AiOs.Runtime;

/// <summary>
/// Sizes of regions, in units of 512 bytes with 32 classes per power of two: the two levels of two-level segregated fit
/// (Masmano et al., "TLSF: a new dynamic memory allocator for real-time systems", ECRTS 2004). Small blocks are rounded
/// up to classes, which wastes at most 1/32, so that one that was freed is found by every request of its own size.
/// </summary>
internal static class SizeClasses
{
    /// <summary>Every size and offset is a multiple of this.</summary>
    public const long Unit = 512;

    /// <summary>Classes of one power of two.</summary>
    public const int Subdivisions = 1 << SubdivisionBits;

    /// <summary>Powers of two told apart.</summary>
    public const int Levels = 44;

    /// <summary>Number of classes.</summary>
    public const int Count = Levels * Subdivisions;

    private const int SubdivisionBits = 5;

    /// <summary>The smallest multiple of <see cref="Unit"/>, not 0, that holds <paramref name="bytes"/> bytes.</summary>
    public static long RoundToUnit(long bytes) => Math.Max(Unit, (bytes + Unit - 1) & -Unit);

    /// <summary>The smallest class size that holds <paramref name="bytes"/> bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long RoundUp(long bytes)
    {
        long units = Math.Max(1, (bytes + Unit - 1) / Unit);
        if (units >= Subdivisions)
        {
            long mask = (1L << (BitOperations.Log2((ulong)units) - SubdivisionBits)) - 1;
            units = (units + mask) & ~mask;
        }

        return units * Unit;
    }

    /// <summary>The greatest class whose size is at most <paramref name="size"/>, a multiple of <see cref="Unit"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int IndexOf(long size)
    {
        ulong units = (ulong)size / (ulong)Unit;
        if (units < Subdivisions)
        {
            return (int)units;
        }

        int log = BitOperations.Log2(units);
        int level = log - SubdivisionBits + 1;
        return level * Subdivisions + (int)((units >> (log - SubdivisionBits)) & (Subdivisions - 1));
    }
}

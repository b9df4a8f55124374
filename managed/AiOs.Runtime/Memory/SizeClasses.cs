using System.Numerics;

namespace AiOs.Runtime;

/// <summary>
/// The sizes that blocks come in: multiples of 512 bytes with 32 classes per power of two, so that rounding wastes at
/// most 1/32 and a block that was freed is found again by every request of its own size (two-level segregated fit;
/// Masmano et al., "TLSF: a new dynamic memory allocator for real-time systems", ECRTS 2004).
/// </summary>
internal static class SizeClasses
{
    /// <summary>Every size and address is a multiple of this.</summary>
    public const long Unit = 512;

    /// <summary>Classes of one power of two, as a power of two itself.</summary>
    public const int SubdivisionBits = 5;

    /// <summary>Classes of one power of two.</summary>
    public const int Subdivisions = 1 << SubdivisionBits;

    /// <summary>Powers of two told apart.</summary>
    public const int Levels = 44;

    /// <summary>Number of classes.</summary>
    public const int Count = Levels * Subdivisions;

    /// <summary>The smallest class size that holds <paramref name="bytes"/> bytes.</summary>
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
    public static int IndexOf(long size)
    {
        long units = size / Unit;
        if (units < Subdivisions)
        {
            return (int)units;
        }

        int log = BitOperations.Log2((ulong)units);
        int level = log - SubdivisionBits + 1;
        return level * Subdivisions + (int)((units >> (log - SubdivisionBits)) & (Subdivisions - 1));
    }
}

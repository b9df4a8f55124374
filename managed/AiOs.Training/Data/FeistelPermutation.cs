using System.Numerics;

namespace AiOs.Training.Data;

/// <summary>
/// A pseudo-random permutation of 0 … count - 1 in O(1) memory: a balanced Feistel network (Luby and Rackoff, 1988)
/// on the next even number of bits, walked along its cycle until the value is in range (Black and Rogaway, 2002).
/// The permutation depends on (count, seed, epoch) alone, so that any place of it can be looked up at any time.
/// </summary>
public readonly struct FeistelPermutation
{
    private const int Rounds = 6;

    private readonly ulong _key;
    private readonly int _halfBits;

    /// <summary>Makes the permutation of an epoch.</summary>
    /// <param name="count">How many values there are; at least 1 and at most 2^62.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="epoch">Which pass over the values this is.</param>
    public FeistelPermutation(long count, ulong seed, long epoch)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, 1L << 62);
        Count = count;
        _key = Mix(Mix(seed) ^ (ulong)epoch);
        int bits = 64 - BitOperations.LeadingZeroCount((ulong)count - 1);
        _halfBits = Math.Max(1, (bits + 1) / 2);
    }

    /// <summary>How many values are permuted.</summary>
    public long Count { get; }

    /// <summary>The value at a place.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    public long this[long index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            ulong value = (ulong)index;
            do
            {
                value = Encrypt(value);
            }
            while (value >= (ulong)Count);

            return (long)value;
        }
    }

    private ulong Encrypt(ulong value)
    {
        ulong mask = (1UL << _halfBits) - 1;
        ulong left = value >> _halfBits, right = value & mask;
        for (ulong round = 0; round < Rounds; round++)
        {
            (left, right) = (right, left ^ (Mix(_key + (round << 56) + right) & mask));
        }

        return left << _halfBits | right;
    }

    // The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
    private static ulong Mix(ulong x)
    {
        x += 0x9e3779b97f4a7c15;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
        x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
        return x ^ (x >> 31);
    }
}

using AiOs.Interop;

namespace AiOs.Conformance.Harness;

/// <summary>Reproducible test data of one case: a SplitMix64 sequence seeded by the case's text.</summary>
public sealed class DataSource
{
    private ulong _state;

    public DataSource(string op, aios_dtype type, string detail)
    {
        ulong hash = 14695981039346656037UL ^ (ulong)type;
        foreach (char c in op.AsSpan())
        {
            hash = (hash ^ c) * 1099511628211UL;
        }

        foreach (char c in detail.AsSpan())
        {
            hash = (hash ^ c) * 1099511628211UL;
        }

        _state = hash;
        Seed = Next();
    }

    /// <summary>A number that depends on the case only.</summary>
    public ulong Seed { get; }

    public ulong Next()
    {
        ulong z = _state += 0x9E3779B97F4A7C15UL;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }

    /// <summary>An integer in [low, high].</summary>
    public int Integer(int low, int high) => low + (int)(Next() % (ulong)(high - low + 1));

    /// <summary>Uniform numbers in [low, high).</summary>
    public double[] Reals(long count, double low = -2, double high = 2)
    {
        double[] values = new double[count];
        for (long i = 0; i < count; i++)
        {
            values[i] = low + ((high - low) * (Next() >> 11) * (1.0 / (1L << 53)));
        }

        return values;
    }

    /// <summary>Small integers in [-limit, limit]: sums of their products are exact in any order.</summary>
    public double[] Integers(long count, int limit = 4)
    {
        double[] values = new double[count];
        for (long i = 0; i < count; i++)
        {
            values[i] = Integer(-limit, limit);
        }

        return values;
    }

    /// <summary>Integers or reals, as the case wants exactness or not.</summary>
    public double[] Values(long count, bool exact) => exact ? Integers(count) : Reals(count);

    /// <summary>Indices in [0, limit).</summary>
    public double[] Indices(long count, int limit)
    {
        double[] values = new double[count];
        for (long i = 0; i < count; i++)
        {
            values[i] = Integer(0, limit - 1);
        }

        return values;
    }
}

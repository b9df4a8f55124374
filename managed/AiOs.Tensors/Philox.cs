namespace AiOs.Tensors;

/// <summary>
/// The counter-based random generator Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
/// 1, 2, 3", SC 2011): the reference of the dropout kernels, and the source of initial values. A number is a function of
/// the key and the counter alone, so that no state has to be kept or restored.
/// </summary>
public static class Philox
{
    private const uint MultiplierA = 0xD2511F53, MultiplierB = 0xCD9E8D57;
    private const uint WeylA = 0x9E3779B9, WeylB = 0xBB67AE85;
    private const int Rounds = 10;

    /// <summary>The four random words of a key and a counter.</summary>
    /// <param name="key">Low word first.</param>
    /// <param name="counter">Low word first.</param>
    public static (uint A, uint B, uint C, uint D) Next((uint A, uint B) key, (uint A, uint B, uint C, uint D) counter)
    {
        for (int round = 0; round < Rounds; round++)
        {
            ulong left = (ulong)MultiplierA * counter.A;
            ulong right = (ulong)MultiplierB * counter.C;
            counter = ((uint)(right >> 32) ^ counter.B ^ key.A, (uint)right, (uint)(left >> 32) ^ counter.D ^ key.B, (uint)left);
            key = (key.A + WeylA, key.B + WeylB);
        }

        return counter;
    }

    /// <summary>The four words of block <paramref name="block"/> of the random stream (seed, offset), as kernels draw them.</summary>
    /// <param name="seed">The key.</param>
    /// <param name="offset">The upper half of the counter: which stream.</param>
    /// <param name="block">The lower half of the counter: element index / 4.</param>
    public static (uint A, uint B, uint C, uint D) Next(ulong seed, ulong offset, ulong block) =>
        Next(((uint)seed, (uint)(seed >> 32)), ((uint)block, (uint)(block >> 32), (uint)offset, (uint)(offset >> 32)));

    /// <summary>A number in [0, 1) with 24 random bits.</summary>
    /// <param name="word">A random word.</param>
    public static float Uniform(uint word) => (word >> 8) * (1f / (1 << 24));

    /// <summary>Two independent numbers of the standard normal distribution (Box and Muller, 1958).</summary>
    /// <param name="first">A random word.</param>
    /// <param name="second">Another.</param>
    public static (double First, double Second) Normal(uint first, uint second)
    {
        // Half a step away from 0, where the logarithm ends.
        double radius = Math.Sqrt(-2 * Math.Log((first + 0.5) / 4294967296.0));
        (double sine, double cosine) = Math.SinCos(2 * Math.PI * (second / 4294967296.0));
        return (radius * cosine, radius * sine);
    }

    /// <summary>Fills a span with numbers of [low, high).</summary>
    /// <param name="values">Receives the numbers; element i depends on seed, offset and i alone.</param>
    /// <param name="seed">The key.</param>
    /// <param name="offset">Which stream of the key.</param>
    /// <param name="low">Lower limit.</param>
    /// <param name="high">Upper limit.</param>
    public static void FillUniform(Span<float> values, ulong seed, ulong offset, float low = 0, float high = 1)
    {
        Span<uint> words = stackalloc uint[4];
        for (int i = 0; i < values.Length; i++)
        {
            if (i % 4 == 0)
            {
                (words[0], words[1], words[2], words[3]) = Next(seed, offset, (ulong)i / 4);
            }

            values[i] = low + (high - low) * Uniform(words[i % 4]);
        }
    }

    /// <summary>Fills a span with numbers of a normal distribution.</summary>
    /// <param name="values">Receives the numbers; element i depends on seed, offset and i alone.</param>
    /// <param name="seed">The key.</param>
    /// <param name="offset">Which stream of the key.</param>
    /// <param name="mean">Mean of the distribution.</param>
    /// <param name="deviation">Standard deviation.</param>
    public static void FillNormal(Span<float> values, ulong seed, ulong offset, float mean = 0, float deviation = 1)
    {
        Span<double> normals = stackalloc double[4];
        for (int i = 0; i < values.Length; i++)
        {
            if (i % 4 == 0)
            {
                (uint a, uint b, uint c, uint d) = Next(seed, offset, (ulong)i / 4);
                (normals[0], normals[1]) = Normal(a, b);
                (normals[2], normals[3]) = Normal(c, d);
            }

            values[i] = (float)(mean + deviation * normals[i % 4]);
        }
    }
}

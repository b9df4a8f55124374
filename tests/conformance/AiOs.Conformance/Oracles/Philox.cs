namespace AiOs.Conformance.Oracles;

/// <summary>Philox4x32-10 (Salmon et al., SC 2011), written from the paper.</summary>
public static class Philox
{
    /// <summary>Four words for a 64-bit key and a 128-bit counter.</summary>
    public static (uint W0, uint W1, uint W2, uint W3) Block(ulong key, ulong counterLow, ulong counterHigh)
    {
        (uint k0, uint k1) = ((uint)key, (uint)(key >> 32));
        (uint c0, uint c1) = ((uint)counterLow, (uint)(counterLow >> 32));
        (uint c2, uint c3) = ((uint)counterHigh, (uint)(counterHigh >> 32));
        for (int round = 0; round < 10; round++)
        {
            ulong p0 = 0xD2511F53UL * c0;
            ulong p1 = 0xCD9E8D57UL * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }

        return (c0, c1, c2, c3);
    }

    /// <summary>The uniform number u[i] of `aios_dropout`.</summary>
    public static double Uniform(ulong seed, ulong offset, long i)
    {
        (uint w0, uint w1, uint w2, uint w3) = Block(seed, (ulong)(i / 4), offset);
        uint word = (i % 4) switch { 0 => w0, 1 => w1, 2 => w2, _ => w3 };
        return (word >> 8) * (1.0 / (1 << 24));
    }
}

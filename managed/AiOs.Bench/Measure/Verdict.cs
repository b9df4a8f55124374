using System.Globalization;

namespace AiOs.Bench.Measure;

/// <summary>Compares results with the binary64 reference and keeps the first that is off.</summary>
internal sealed class Verdict
{
    private long _compared;

    /// <summary>What is wrong; null when everything compared was right.</summary>
    public string? Problem => _compared == 0 ? "nothing was compared" : Found;

    private string? Found { get; set; }

    /// <summary>Compares one value.</summary>
    public void Near(string what, long index, double got, double expected, double tolerance)
    {
        _compared++;
        double error = Math.Abs(got - expected);
        if (!(error <= tolerance))
        {
            Found ??= string.Create(
                CultureInfo.InvariantCulture, $"{what}[{index}] is {got:R}, expected {expected:R} within {tolerance:G3}");
        }
    }

    /// <summary>Notes whether something holds.</summary>
    public void That(bool holds, string problem)
    {
        _compared++;
        if (!holds)
        {
            Found ??= problem;
        }
    }

    /// <summary>Positions to look at: both ends, and others that depend on the count only.</summary>
    public static IEnumerable<long> Sample(long count, int samples)
    {
        if (count <= samples)
        {
            for (long i = 0; i < count; i++)
            {
                yield return i;
            }

            yield break;
        }

        yield return 0;
        yield return count - 1;
        ulong state = 0x9E3779B97F4A7C15;
        for (int i = 2; i < samples; i++)
        {
            state = (state * 6364136223846793005) + 1442695040888963407;
            yield return (long)((state >> 11) % (ulong)count);
        }
    }

    /// <summary>The library's element type of a name in the results.</summary>
    public static Interop.aios_dtype TypeOf(string dtype) => dtype switch
    {
        "bf16" => Interop.aios_dtype.Bf16,
        "i8" => Interop.aios_dtype.I8,
        _ => Interop.aios_dtype.F32,
    };

    /// <summary>Half a unit in the last place of an element type, relative.</summary>
    public static double Rounding(Interop.aios_dtype dtype) => dtype == Interop.aios_dtype.Bf16 ? 1.0 / 256 : 1.0 / (1 << 24);
}

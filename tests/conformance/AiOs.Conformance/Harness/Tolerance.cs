using AiOs.Interop;

namespace AiOs.Conformance.Harness;

/// <summary>
/// The only place that says how wrong a result may be. With u the unit roundoff of binary32, an element may be off by
/// Relative(dtype) * |want| + Sum(K) * u * magnitude + Smallest(dtype), where magnitude is the sum of the absolute
/// values of what was added up. Relative covers one rounding to the output type and, in binary32, an elementary
/// function accurate to a few units in the last place; Sum covers the rounding of K binary32 additions.
/// </summary>
public static class Tolerance
{
    private const double Unit = 1.0 / (1 << 24);

    private static readonly (aios_dtype Type, double Relative, double Smallest)[] s_types =
    [
        (aios_dtype.F32, 8 * Unit, 1.2e-38),
        (aios_dtype.Bf16, 1.01 / (1 << 8), 1.2e-38),
        (aios_dtype.F16, 1.01 / (1 << 11), 6.1e-5),
        (aios_dtype.I32, 0, 0),
        (aios_dtype.I8, 0, 0),
        (aios_dtype.U8, 0, 0),
    ];

    // Random rounding errors grow with the square root of the length, and so less than the magnitude; the rows still
    // leave room for a plain running sum over a few hundred terms.
    private static readonly (int Terms, double Units)[] s_sums = [(1, 4), (64, 6), (1024, 10), (int.MaxValue, 20)];

    public static double Bound(aios_dtype type, int terms, double want, double magnitude)
    {
        (_, double relative, double smallest) = Array.Find(s_types, row => row.Type == type);
        double units = Array.Find(s_sums, row => terms <= row.Terms).Units;
        return (relative * Math.Abs(want)) + (units * Unit * magnitude) + smallest;
    }

    /// <summary>Null when <paramref name="got"/> is right, else the text of what is wrong.</summary>
    public static string? Judge(Operand operand, double got, double want, double magnitude)
    {
        double rounded = Storage.Round(operand.Type, want);
        if (double.IsNaN(want))
        {
            return double.IsNaN(got) ? null : $"expected NaN, got {got:R}";
        }

        if (got == rounded)
        {
            return null;
        }

        if (operand.Exact)
        {
            return $"expected exactly {rounded:R}, got {got:R}";
        }

        // A result that overflows the type by rounding may be either the greatest number or infinity.
        double bound = Bound(operand.Type, operand.Terms, want, magnitude);
        double error = Math.Abs(got - want);
        return error <= bound
            ? null
            : $"expected {want:R}, got {got:R}: off by {error:E2}, allowed {bound:E2} ({operand.Type}, K = {operand.Terms})";
    }
}

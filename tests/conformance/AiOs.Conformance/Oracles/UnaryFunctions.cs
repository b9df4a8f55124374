using AiOs.Interop;

namespace AiOs.Conformance.Oracles;

/// <summary>
/// One function of `aios_unary` in binary64: the value and the derivative, each with the sum of the absolute values of
/// its terms, and the interval from which ordinary inputs are drawn.
/// </summary>
public sealed record UnaryFunction(
    Func<double, double> Value,
    Func<double, double> Derivative,
    double Low = -6,
    double High = 6,
    Func<double, double>? Magnitude = null,
    Func<double, double>? DerivativeMagnitude = null,
    bool ExactOnIntegers = false,
    bool DefinedAtInfinity = true);

/// <summary>The functions of `aios_unary`.</summary>
public static class UnaryFunctions
{
    /// <summary>Factor and summand of AIOS_UNARY_AFFINE in every case: exact in binary32.</summary>
    public const float Alpha = -1.5f;

    public const float Beta = 0.25f;

    public static UnaryFunction Of(aios_unary_op op) => op switch
    {
        aios_unary_op.Copy => new(x => x, _ => 1, ExactOnIntegers: true),
        aios_unary_op.Affine => new(x => (Alpha * x) + Beta, _ => Alpha, Magnitude: x => Math.Abs(Alpha * x) + Beta, ExactOnIntegers: true),
        aios_unary_op.Abs => new(Math.Abs, x => double.IsNaN(x) ? x : Math.Sign(x), ExactOnIntegers: true),
        aios_unary_op.Square => new(x => x * x, x => 2 * x, ExactOnIntegers: true),
        aios_unary_op.Sqrt => new(Math.Sqrt, x => 0.5 / Math.Sqrt(x), 0.01, 9),
        aios_unary_op.Rsqrt => new(x => 1 / Math.Sqrt(x), x => -0.5 / (x * Math.Sqrt(x)), 0.01, 9),
        aios_unary_op.Reciprocal => new(x => 1 / x, x => -1 / (x * x), 0.1, 5),
        aios_unary_op.Exp => new(Math.Exp, Math.Exp, -20, 20),
        aios_unary_op.Log => new(Math.Log, x => 1 / x, 0.01, 20),
        aios_unary_op.Tanh => new(Math.Tanh, x => 1 - (Math.Tanh(x) * Math.Tanh(x)), DerivativeMagnitude: _ => 1),
        aios_unary_op.Sigmoid => new(Special.Sigmoid, x => Special.Sigmoid(x) * (1 - Special.Sigmoid(x)), DerivativeMagnitude: Special.Sigmoid),
        aios_unary_op.Relu => new(x => Math.Max(x, 0), x => x > 0 ? 1 : 0, ExactOnIntegers: true),
        aios_unary_op.Gelu => new(
            x => x * Special.NormalCdf(x), x => Special.NormalCdf(x) + (x * Special.NormalPdf(x)),
            Magnitude: Math.Abs, DerivativeMagnitude: x => 1 + Math.Abs(x), DefinedAtInfinity: false),
        aios_unary_op.GeluTanh => new(
            Special.GeluTanh, Special.GeluTanhDerivative,
            Magnitude: Math.Abs, DerivativeMagnitude: Special.GeluTanhDerivativeMagnitude, DefinedAtInfinity: false),
        aios_unary_op.Silu => new(
            Special.Silu, Special.SiluDerivative, DerivativeMagnitude: x => 1 + Math.Abs(x), DefinedAtInfinity: false),
        _ => throw new ArgumentOutOfRangeException(nameof(op), op, "has no oracle: add it here"),
    };
}

using MathNet.Numerics;

namespace AiOs.Conformance.Oracles;

/// <summary>The scalar functions of the header in binary64.</summary>
public static class Special
{
    private static readonly double s_gelu = Math.Sqrt(2 / Math.PI);

    /// <summary>Distribution function of the standard normal distribution, without cancellation for negative x.</summary>
    public static double NormalCdf(double x) => 0.5 * SpecialFunctions.Erfc(-x / Math.Sqrt(2));

    public static double NormalPdf(double x) => Math.Exp(-0.5 * x * x) / Math.Sqrt(2 * Math.PI);

    public static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    public static double Silu(double x) => x * Sigmoid(x);

    public static double SiluDerivative(double x) => Sigmoid(x) * (1 + (x * (1 - Sigmoid(x))));

    public static double GeluTanh(double x) => 0.5 * x * (1 + Math.Tanh(s_gelu * (x + (0.044715 * x * x * x))));

    public static double GeluTanhDerivative(double x)
    {
        double t = Math.Tanh(s_gelu * (x + (0.044715 * x * x * x)));
        double inner = s_gelu * (1 + (3 * 0.044715 * x * x));
        return (0.5 * (1 + t)) + (0.5 * x * (1 - (t * t)) * inner);
    }

    /// <summary>
    /// Sum of the absolute values of the two terms of <see cref="GeluTanhDerivative"/> before they cancel, with
    /// 1 - tanh^2 taken as the difference that it is.
    /// </summary>
    public static double GeluTanhDerivativeMagnitude(double x) =>
        1 + (0.5 * Math.Abs(x) * s_gelu * (1 + (3 * 0.044715 * x * x)));
}

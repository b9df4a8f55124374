using System.Globalization;
using AiOs.Bench.Measure;
using AiOs.Bench.Peers;
using AiOs.Interop;

namespace AiOs.Bench.Families;

/// <summary>
/// A matrix product of cuBLASLt in a type that our kernels do not have, so that its figure stands in the same run: tf32, and
/// 8-bit floats (e4m3). The second operand is stored transposed, the only way the library takes 8-bit floats.
/// </summary>
internal sealed class CublasCase : BenchmarkCase
{
    /// <summary>The element types.</summary>
    public static readonly string[] Types = ["tf32", "e4m3"];

    private const int Samples = 100;

    private readonly long _m;
    private readonly long _n;
    private readonly long _k;
    private float[] _hostA = [];
    private float[] _hostB = [];
    private Operand? _result;
    private PeerRun? _product;

    public CublasCase(BenchContext context, string dtype, long m, long n, long k)
        : base(context, "cublas_gemm", dtype, string.Create(CultureInfo.InvariantCulture, $"{m},{n},{k},nt"))
    {
        (_m, _n, _k) = (m, n, k);

        // Tensor cores do a quarter as many products of tf32 as of e4m3, which are as many as of 8-bit integers.
        bool small = dtype == "e4m3";
        Work = new Work(
            2.0 * m * n * k, small ? Arithmetic.I8 : Arithmetic.TF32, ((m * k) + (n * k)) * (small ? 1.0 : 4.0), 4.0 * m * n);
    }

    public override Work Work { get; }

    public override IReadOnlyList<Operand> Outputs => [_result!];

    public override void Prepare()
    {
        _hostA = Context.Random(_m * _k, 1);
        _hostB = Context.Random(_n * _k, 2);
        Operand a = Own(Make(_hostA)), b = Own(Make(_hostB));
        _result = Own(new Operand(Stream, aios_dtype.F32, _m * _n));
        _product = Own(Context.Peers.Cublas!.MakeProduct("cublas", Context, (_m, _n, _k, false, true), CublasTypes.Of(DType), a, b, _result));
    }

    public override void Launch(int index) => _product!.Launch(index);

    /// <summary>The operands are exact in their type, so that only the sums are off: tensor cores add 8-bit floats with 14 bits.</summary>
    public override void Check(Verdict verdict)
    {
        float[] c = _result!.Read();
        double unit = DType == "e4m3" ? 1e-3 : Verdict.Rounding(aios_dtype.F32) * (8 + (4 * Math.Sqrt(_k)));
        foreach (long at in Verdict.Sample(c.LongLength, Samples))
        {
            (long i, long j) = Math.DivRem(at, _n);
            double sum = 0, magnitude = 0;
            for (long p = 0; p < _k; p++)
            {
                double product = (double)_hostA[(i * _k) + p] * _hostB[(j * _k) + p];
                sum += product;
                magnitude += Math.Abs(product);
            }

            verdict.Near("c", at, c[at], sum, magnitude * unit);
        }
    }

    /// <summary>Eighths between -1 and 1 have the bits that e4m3 keeps, 512ths those of tf32.</summary>
    private Operand Make(float[] values)
    {
        if (DType != "e4m3")
        {
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = MathF.Floor(values[i] * 512) / 512;
            }

            return new Operand(Stream, aios_dtype.F32, values.LongLength).Write(values);
        }

        byte[] bytes = new byte[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            int eighths = (int)MathF.Floor(values[i] * 8);
            values[i] = eighths / 8f;
            bytes[i] = Encode(eighths);
        }

        return new Operand(Stream, aios_dtype.U8, bytes.LongLength).Write(bytes);
    }

    /// <summary>The bits of a number of eighths as e4m3: sign, four bits of exponent with a bias of 7, three of fraction.</summary>
    internal static byte Encode(int eighths)
    {
        if (eighths == 0)
        {
            return 0;
        }

        int size = Math.Abs(eighths), power = int.Log2(size);
        return (byte)((eighths < 0 ? 0x80 : 0) | ((power - 3 + 7) << 3) | (((size << 3) >> power) & 7));
    }
}

using System.Globalization;
using AiOs.Bench.Measure;
using AiOs.Interop;

namespace AiOs.Bench.Families;

/// <summary>Products with quantised weights: one row against cold weights, and many rows.</summary>
internal sealed class QMatMulBenchmark : IBenchmark
{
    private static readonly (string Name, aios_dtype Format)[] Formats =
    [
        ("q8_0", aios_dtype.Q80), ("q4_0", aios_dtype.Q40), ("q4_1", aios_dtype.Q41), ("q5_0", aios_dtype.Q50), ("q5_1", aios_dtype.Q51),
        ("q2_k", aios_dtype.Q2K), ("q3_k", aios_dtype.Q3K), ("q4_k", aios_dtype.Q4K), ("q5_k", aios_dtype.Q5K), ("q6_k", aios_dtype.Q6K),
        ("iq4_nl", aios_dtype.Iq4Nl), ("i8", aios_dtype.I8), ("i4", aios_dtype.I4), ("f8e4m3", aios_dtype.F8e4m3), ("f8e5m2", aios_dtype.F8e5m2),
    ];

    public string Name => "qmatmul";

    public ShapeSyntax Syntax { get; } = new("m,rows,cols", 3);

    public IReadOnlyList<string> DTypes { get; } = [.. Formats.Select(f => f.Name)];

    public IReadOnlyList<string> DefaultShapes(string dtype) => ["1,4096,4096", "512,4096,4096"];

    public IEnumerable<BenchmarkCase> Cases(BenchContext context, string dtype, BenchShape shape)
    {
        yield return new QMatMulCase(
            context, dtype, Formats.First(f => f.Name == dtype).Format, shape.Extents[0], shape.Extents[1], shape.Extents[2]);
    }
}

/// <summary>One product c [m][rows] = a [m][cols] W^T with activations in binary32.</summary>
internal sealed unsafe class QMatMulCase : BenchmarkCase
{
    private const int Samples = 200;

    /// <summary>Rows of a up to which the product is bound by reading the weights from memory.</summary>
    private const long FewRows = 8;

    /// <summary>Columns of I4 that share a scale.</summary>
    private const long Group = 128;

    /// <summary>Columns of an activation that share a scale, except for I8.</summary>
    private const long ActivationGroup = 32;

    private readonly aios_dtype _format;
    private readonly long _m;
    private readonly long _rows;
    private readonly long _cols;
    private readonly bool _cold;
    private float[] _host = [];
    private Operand? _a;
    private Operand? _codes;
    private Operand? _scales;
    private Operand? _zeros;
    private Operand? _dequantized;
    private Operand? _c;
    private Operand? _workspace;
    private float[] _weights = [];

    public QMatMulCase(BenchContext context, string dtype, aios_dtype format, long m, long rows, long cols)
        : base(context, "qmatmul", dtype, string.Create(CultureInfo.InvariantCulture, $"{m},{rows},{cols}"))
    {
        (_format, _m, _rows, _cols) = (format, m, rows, cols);
        _cold = m <= FewRows;
        double bytes = (rows * (Kernels.aios_quantized_row_bytes(format, cols) + (ScaleBytes / (double)rows))) + (4.0 * m * cols);
        Work = new Work(2.0 * m * rows * cols, MultipliesIntegers ? Arithmetic.I8 : Arithmetic.F32, bytes, 4.0 * m * rows, Cold: _cold);
    }

    public override Work Work { get; }

    public override IReadOnlyList<Operand> Outputs => [_c!];

    private bool MultipliesIntegers => _format is not (aios_dtype.I4 or aios_dtype.F8e4m3 or aios_dtype.F8e5m2);

    private long Groups => (_cols + Group - 1) / Group;

    private long ScaleBytes => _format switch
    {
        aios_dtype.I4 => _rows * Groups * (2 + 1),
        aios_dtype.I8 or aios_dtype.F8e4m3 or aios_dtype.F8e5m2 => 4 * _rows,
        _ => 0,
    };

    public override void Prepare()
    {
        long rowBytes = Kernels.aios_quantized_row_bytes(_format, _cols);
        Stream.Check((aios_status)Math.Max(0, -rowBytes), nameof(KernelTable.aios_quantized_row_bytes));
        long bytes = _rows * rowBytes;
        int copies = _cold ? ColdCopies(bytes) : 1;
        _host = Context.Random(_m * _cols, 1);
        _a = Own(new Operand(Stream, aios_dtype.F32, _m * _cols)).Write(_host);
        _c = Own(new Operand(Stream, aios_dtype.F32, _m * _rows));
        _codes = Own(new Operand(Stream, aios_dtype.U8, bytes, copies));
        _scales = Own(new Operand(Stream, aios_dtype.U8, Math.Max(64, ScaleBytes)));
        _zeros = Own(new Operand(Stream, aios_dtype.U8, Math.Max(64, _format == aios_dtype.I4 ? _rows * Groups : 0)));
        _dequantized = Own(new Operand(Stream, aios_dtype.F32, _rows * _cols)).Write(Context.Random(_rows * _cols, 2));
        aios_qmatrix w = Matrix(0);
        Stream.Check(Kernels.aios_quantize(Stream.Handle, &w, (void*)_dequantized.Pointer, aios_dtype.F32), nameof(KernelTable.aios_quantize));
        for (int copy = 1; copy < copies; copy++)
        {
            Stream.Copy(_codes.At(copy), _codes.Pointer, bytes);
        }

        Stream.Check(Kernels.aios_dequantize(Stream.Handle, (void*)_dequantized.Pointer, &w, aios_dtype.F32), nameof(KernelTable.aios_dequantize));
        _weights = _dequantized.Read();
        _workspace = Workspace(Kernels.aios_qmatmul_workspace_size(&w, _m, aios_dtype.F32), nameof(KernelTable.aios_qmatmul_workspace_size));
    }

    public override void Launch(int index)
    {
        aios_qmatrix w = Matrix(index);
        Stream.Check(
            Kernels.aios_qmatmul(
                Stream.Handle, (void*)_c!.Pointer, (void*)_a!.Pointer, &w, null, (void*)_workspace!.Pointer, _workspace.Bytes, _m, aios_dtype.F32),
            nameof(KernelTable.aios_qmatmul));
    }

    /// <summary>Activations as the contract quantises them, times the weights that the codes mean, in binary64.</summary>
    public override void Check(Verdict verdict)
    {
        float[] c = _c!.Read();
        foreach (IGrouping<long, long> row in Verdict.Sample(c.LongLength, Samples).GroupBy(at => at / _rows))
        {
            double[] a = Activations(row.Key);
            foreach (long at in row)
            {
                long from = at % _rows * _cols;
                double sum = 0, magnitude = 0;
                for (long j = 0; j < _cols; j++)
                {
                    double product = a[j] * _weights[from + j];
                    sum += product;
                    magnitude += Math.Abs(product);
                }

                verdict.Near("c", at, c[at], sum, 1e-5 * magnitude);
            }
        }
    }

    private double[] Activations(long row)
    {
        double[] a = new double[_cols];
        long group = !MultipliesIntegers ? 0 : _format == aios_dtype.I8 ? _cols : ActivationGroup;
        for (long from = 0; from < _cols; from += group == 0 ? _cols : group)
        {
            ReadOnlySpan<float> x = _host.AsSpan((int)((row * _cols) + from), (int)Math.Min(group == 0 ? _cols : group, _cols - from));
            float greatest = 0;
            foreach (float value in x)
            {
                greatest = Math.Max(greatest, Math.Abs(value));
            }

            for (int i = 0; i < x.Length; i++)
            {
                a[from + i] = group == 0 ? x[i] : greatest == 0 ? 0 : MathF.Round(x[i] * (127 / greatest)) * (double)greatest / 127;
            }
        }

        return a;
    }

    private aios_qmatrix Matrix(int launch) => new()
    {
        data = (void*)_codes!.At(launch),
        scales = (void*)_scales!.Pointer,
        zeros = _format == aios_dtype.I4 ? (void*)_zeros!.Pointer : null,
        rows = _rows,
        cols = _cols,
        group = Group,
        format = _format,
    };
}

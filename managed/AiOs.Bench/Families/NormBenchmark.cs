using System.Globalization;
using AiOs.Bench.Measure;
using AiOs.Interop;

namespace AiOs.Bench.Families;

/// <summary>LayerNorm and RMSNorm, forward and backward.</summary>
internal sealed class NormBenchmark : IBenchmark
{
    public string Name => "norm";

    public ShapeSyntax Syntax { get; } = new("rows,cols", 2);

    public IReadOnlyList<string> DTypes { get; } = ["f32", "bf16"];

    public IReadOnlyList<string> DefaultShapes(string dtype) => ["64,768", "256,768", "16384,1024"];

    public IEnumerable<BenchmarkCase> Cases(BenchContext context, string dtype, BenchShape shape)
    {
        (long rows, long cols) = (shape.Extents[0], shape.Extents[1]);
        yield return new NormCase(context, centred: true, backward: false, dtype, rows, cols);
        yield return new NormCase(context, centred: true, backward: true, dtype, rows, cols);
        yield return new NormCase(context, centred: false, backward: false, dtype, rows, cols);
        yield return new NormCase(context, centred: false, backward: true, dtype, rows, cols);
    }
}

/// <summary>One norm: of rows less their mean (LayerNorm) or as they are (RMSNorm).</summary>
internal sealed unsafe class NormCase : BenchmarkCase
{
    private const float Epsilon = 1e-5f;
    private const int SampledRows = 8;

    private readonly bool _centred;
    private readonly bool _backward;
    private readonly aios_dtype _type;
    private readonly long _rows;
    private readonly long _cols;
    private float[] _hostX = [];
    private float[] _hostWeight = [];
    private float[] _hostBias = [];
    private float[] _hostGradient = [];
    private double[] _means = [];
    private double[] _scales = [];
    private Operand? _x;
    private Operand? _weight;
    private Operand? _bias;
    private Operand? _gradient;
    private Operand? _mean;
    private Operand? _scale;
    private Operand? _out;
    private Operand? _weightGradient;
    private Operand? _biasGradient;
    private Operand? _workspace;

    public NormCase(BenchContext context, bool centred, bool backward, string dtype, long rows, long cols)
        : base(
            context, (centred ? "layernorm" : "rmsnorm") + (backward ? "_backward" : string.Empty), dtype,
            string.Create(CultureInfo.InvariantCulture, $"{rows},{cols}"))
    {
        (_centred, _backward, _type, _rows, _cols) = (centred, backward, Verdict.TypeOf(dtype), rows, cols);
        double bytes = (double)rows * cols * Operand.SizeOf(_type);
        Work = new Work(0, Arithmetic.None, backward ? 2 * bytes : bytes, bytes);
    }

    public override Work Work { get; }

    public override IReadOnlyList<Operand> Outputs => _backward ? [_out!, _weightGradient!] : [_out!];

    public override void Prepare()
    {
        long count = _rows * _cols;
        _hostX = Context.Random(count, 1);
        _hostWeight = Context.Random(_cols, 2);
        _hostBias = Context.Random(_cols, 3);
        _x = Own(new Operand(Stream, _type, count)).Write(_hostX);
        _weight = Own(new Operand(Stream, _type, _cols)).Write(_hostWeight);
        _bias = Own(new Operand(Stream, _type, _cols)).Write(_hostBias);
        Summarize();
        _mean = Own(new Operand(Stream, aios_dtype.F32, _rows)).Write(Array.ConvertAll(_means, x => (float)x));
        _scale = Own(new Operand(Stream, aios_dtype.F32, _rows)).Write(Array.ConvertAll(_scales, x => (float)x));
        _out = Own(new Operand(Stream, _type, count));
        if (_backward)
        {
            _hostGradient = Context.Random(count, 4);
            _gradient = Own(new Operand(Stream, _type, count)).Write(_hostGradient);
            _weightGradient = Own(new Operand(Stream, _type, _cols));
            _biasGradient = Own(new Operand(Stream, _type, _cols));
            _workspace = Workspace(Kernels.aios_norm_backward_workspace_size(_rows, _cols, _type), nameof(KernelTable.aios_norm_backward_workspace_size));
        }
    }

    public override void Launch(int index) => Stream.Check(_backward ? Backward() : Forward(), Op);

    public override void Check(Verdict verdict)
    {
        float[] result = _out!.Read();
        double rounding = Verdict.Rounding(_type);
        foreach (long row in Verdict.Sample(_rows, SampledRows))
        {
            double first = 0, second = 0;
            for (int c = 0; _backward && c < _cols; c++)
            {
                double g = (double)_hostGradient[(row * _cols) + c] * _hostWeight[c];
                first += g;
                second += g * Normal(row, c);
            }

            for (int c = 0; c < _cols; c++)
            {
                long at = (row * _cols) + c;
                double expected = _backward
                    ? _scales[row] * (((double)_hostGradient[at] * _hostWeight[c]) - (_centred ? first / _cols : 0) - (Normal(row, c) * second / _cols))
                    : (Normal(row, c) * _hostWeight[c]) + (_centred ? _hostBias[c] : 0);
                verdict.Near(_backward ? "dx" : "out", at, result[at], expected, (rounding * Math.Abs(expected)) + 2e-5);
            }
        }

        if (_backward)
        {
            float[] weights = _weightGradient!.Read();
            foreach (long c in Verdict.Sample(_cols, SampledRows))
            {
                double sum = 0, magnitude = 0;
                for (long row = 0; row < _rows; row++)
                {
                    double term = _hostGradient[(row * _cols) + c] * Normal(row, (int)c);
                    sum += term;
                    magnitude += Math.Abs(term);
                }

                verdict.Near("dweight", c, weights[c], sum, (rounding * Math.Abs(sum)) + (2e-6 * magnitude) + 1e-6);
            }
        }
    }

    private double Normal(long row, int column) => (_hostX[(row * _cols) + column] - _means[row]) * _scales[row];

    private void Summarize()
    {
        _means = new double[_rows];
        _scales = new double[_rows];
        for (long row = 0; row < _rows; row++)
        {
            ReadOnlySpan<float> x = _hostX.AsSpan((int)(row * _cols), (int)_cols);
            double sum = 0, squares = 0;
            foreach (float value in x)
            {
                sum += value;
            }

            double mean = _centred ? sum / _cols : 0;
            foreach (float value in x)
            {
                squares += (value - mean) * (value - mean);
            }

            _means[row] = mean;
            _scales[row] = 1 / Math.Sqrt((squares / _cols) + Epsilon);
        }
    }

    private aios_status Forward()
    {
        void* outPointer = (void*)_out!.Pointer, x = (void*)_x!.Pointer, weight = (void*)_weight!.Pointer;
        return _centred
            ? Kernels.aios_layernorm(
                Stream.Handle, outPointer, (float*)_mean!.Pointer, (float*)_scale!.Pointer, x, weight, (void*)_bias!.Pointer, _rows, _cols, Epsilon, _type)
            : Kernels.aios_rmsnorm(Stream.Handle, outPointer, (float*)_scale!.Pointer, x, weight, _rows, _cols, Epsilon, _type);
    }

    private aios_status Backward()
    {
        void* dx = (void*)_out!.Pointer, dweight = (void*)_weightGradient!.Pointer, dout = (void*)_gradient!.Pointer;
        void* x = (void*)_x!.Pointer, weight = (void*)_weight!.Pointer;
        return _centred
            ? Kernels.aios_layernorm_backward(
                Stream.Handle, dx, dweight, (void*)_biasGradient!.Pointer, dout, x, weight, (float*)_mean!.Pointer, (float*)_scale!.Pointer,
                (void*)_workspace!.Pointer, _workspace.Bytes, _rows, _cols, 0, 0, _type)
            : Kernels.aios_rmsnorm_backward(
                Stream.Handle, dx, dweight, dout, x, weight, (float*)_scale!.Pointer, (void*)_workspace!.Pointer, _workspace.Bytes, _rows, _cols, 0, 0, _type);
    }
}

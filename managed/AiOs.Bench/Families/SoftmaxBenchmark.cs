using System.Globalization;
using AiOs.Bench.Measure;
using AiOs.Bench.Peers;
using AiOs.Interop;

namespace AiOs.Bench.Families;

/// <summary>Softmax by rows, forward and backward, and the elementwise functions that are made of exponentials.</summary>
internal sealed class SoftmaxBenchmark : IBenchmark
{
    public string Name => "softmax";

    public ShapeSyntax Syntax { get; } = new("rows,cols", 2);

    public IReadOnlyList<string> DTypes { get; } = ["f32", "bf16"];

    public IReadOnlyList<string> DefaultShapes(string dtype) => ["16,256", "256,1024", "256,50257", "16384,1024"];

    public IEnumerable<BenchmarkCase> Cases(BenchContext context, string dtype, BenchShape shape)
    {
        foreach (RowOp op in Enum.GetValues<RowOp>())
        {
            yield return new RowCase(context, op, dtype, shape.Extents[0], shape.Extents[1]);
        }
    }
}

/// <summary>The ops that <see cref="RowCase"/> measures.</summary>
internal enum RowOp
{
    Softmax,
    SoftmaxBackward,
    Exp,
    GeluTanh,
    GeluTanhBackward,
}

/// <summary>One op on a matrix of rows.</summary>
internal sealed unsafe class RowCase : BenchmarkCase
{
    private const int SampledRows = 8;

    private readonly RowOp _kind;
    private readonly aios_dtype _type;
    private readonly long _rows;
    private readonly long _cols;
    private Operand? _a;
    private Operand? _gradient;
    private Operand? _out;
    private float[] _hostA = [];
    private float[] _hostGradient = [];

    public RowCase(BenchContext context, RowOp kind, string dtype, long rows, long cols)
        : base(context, NameOf(kind), dtype, string.Create(CultureInfo.InvariantCulture, $"{rows},{cols}"))
    {
        (_kind, _rows, _cols) = (kind, rows, cols);
        _type = Verdict.TypeOf(dtype);
        double bytes = (double)rows * cols * Operand.SizeOf(_type);
        Work = new Work(0, Arithmetic.None, IsBackward ? 2 * bytes : bytes, bytes);
    }

    public override Work Work { get; }

    public override IReadOnlyList<Operand> Outputs => [_out!];

    private bool IsBackward => _kind is RowOp.SoftmaxBackward or RowOp.GeluTanhBackward;

    public override void Prepare()
    {
        long count = _rows * _cols;
        _hostA = Context.Random(count, 1);
        if (_kind == RowOp.SoftmaxBackward)
        {
            // What a softmax gives: positive, of sum about 1.
            for (int i = 0; i < _hostA.Length; i++)
            {
                _hostA[i] = MathF.Exp(_hostA[i]) / (1.18f * _cols);
            }
        }
        else
        {
            for (int i = 0; i < _hostA.Length; i++)
            {
                _hostA[i] *= 4;
            }
        }

        _a = Own(new Operand(Stream, _type, count)).Write(_hostA);
        _out = Own(new Operand(Stream, _type, count));
        if (IsBackward)
        {
            _hostGradient = Context.Random(count, 2);
            _gradient = Own(new Operand(Stream, _type, count)).Write(_hostGradient);
        }
    }

    public override void Launch(int index)
    {
        switch (_kind)
        {
            case RowOp.Softmax:
                Stream.Check(Kernels.aios_softmax(Stream.Handle, Out, A, _rows, _cols, _type), nameof(KernelTable.aios_softmax));
                break;
            case RowOp.SoftmaxBackward:
                Stream.Check(
                    Kernels.aios_softmax_backward(Stream.Handle, Out, (void*)_gradient!.Pointer, A, _rows, _cols, _type),
                    nameof(KernelTable.aios_softmax_backward));
                break;
            default:
                Elementwise();
                break;
        }
    }

    public override void Check(Verdict verdict)
    {
        float[] result = _out!.Read();
        foreach (long row in Verdict.Sample(_rows, SampledRows))
        {
            int at = (int)(row * _cols);
            ReadOnlySpan<float> x = _hostA.AsSpan(at, (int)_cols);
            ReadOnlySpan<float> g = IsBackward ? _hostGradient.AsSpan(at, (int)_cols) : default;
            double[] expected = Expected(x, g);
            for (int i = 0; i < expected.Length; i++)
            {
                verdict.Near(Op, at + i, result[at + i], expected[i], Tolerance(expected[i], expected));
            }
        }
    }

    public override IReadOnlyList<PeerRun> MakePeers() => Context.Peers.Managed && _type == aios_dtype.F32
        ? TensorPrimitivesPeers.Rows(_kind, A, Out, _rows, _cols, Device.Info.Threads)
        : [];

    private void* A => (void*)_a!.Pointer;

    private void* Out => (void*)_out!.Pointer;

    private static string NameOf(RowOp kind) => kind switch
    {
        RowOp.Softmax => "softmax",
        RowOp.SoftmaxBackward => "softmax_backward",
        RowOp.Exp => "exp",
        RowOp.GeluTanh => "gelu_tanh",
        _ => "gelu_tanh_backward",
    };

    private void Elementwise()
    {
        aios_elementwise_desc desc = default;
        desc.rank = 1;
        desc.dtype = _type;
        desc.shape[0] = _rows * _cols;
        desc.out_stride[0] = desc.a_stride[0] = desc.b_stride[0] = 1;
        aios_unary_op op = _kind == RowOp.Exp ? aios_unary_op.Exp : aios_unary_op.GeluTanh;
        Stream.Check(
            IsBackward
                ? Kernels.aios_unary_backward(Stream.Handle, Out, (void*)_gradient!.Pointer, A, op, &desc)
                : Kernels.aios_unary(Stream.Handle, Out, A, op, &desc),
            nameof(KernelTable.aios_unary));
    }

    private double[] Expected(ReadOnlySpan<float> x, ReadOnlySpan<float> g)
    {
        double[] y = new double[x.Length];
        double sum = 0;
        for (int i = 0; i < y.Length; i++)
        {
            y[i] = _kind switch
            {
                RowOp.Softmax or RowOp.Exp => Math.Exp(x[i]),
                RowOp.SoftmaxBackward => (double)x[i] * g[i],
                RowOp.GeluTanh => GeluTanh(x[i]).Value,
                _ => g[i] * GeluTanh(x[i]).Slope,
            };
            sum += y[i];
        }

        for (int i = 0; i < y.Length; i++)
        {
            y[i] = _kind switch
            {
                RowOp.Softmax => y[i] / sum,
                RowOp.SoftmaxBackward => x[i] * (g[i] - sum),
                _ => y[i],
            };
        }

        return y;
    }

    private double Tolerance(double expected, double[] row)
    {
        double rounding = Verdict.Rounding(_type) * Math.Abs(expected);
        return _kind switch
        {
            RowOp.Softmax or RowOp.Exp => rounding + (1e-5 * Math.Abs(expected)),
            RowOp.SoftmaxBackward => rounding + (4e-6 / row.Length),
            _ => rounding + 4e-6,
        };
    }

    private static (double Value, double Slope) GeluTanh(double x)
    {
        double c = Math.Sqrt(2 / Math.PI);
        double t = Math.Tanh(c * (x + (0.044715 * x * x * x)));
        double slope = (0.5 * (1 + t)) + (0.5 * x * (1 - (t * t)) * c * (1 + (3 * 0.044715 * x * x)));
        return (0.5 * x * (1 + t), slope);
    }
}

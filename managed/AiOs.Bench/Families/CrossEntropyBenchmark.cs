using System.Globalization;
using AiOs.Bench.Measure;
using AiOs.Interop;

namespace AiOs.Bench.Families;

/// <summary>Cross-entropy of logits, forward and backward.</summary>
internal sealed class CrossEntropyBenchmark : IBenchmark
{
    public string Name => "crossentropy";

    public ShapeSyntax Syntax { get; } = new("rows,classes", 2);

    public IReadOnlyList<string> DTypes { get; } = ["f32", "bf16"];

    public IReadOnlyList<string> DefaultShapes(string dtype) => ["2048,256", "256,50257"];

    public IEnumerable<BenchmarkCase> Cases(BenchContext context, string dtype, BenchShape shape)
    {
        yield return new CrossEntropyCase(context, backward: false, dtype, shape.Extents[0], shape.Extents[1]);
        yield return new CrossEntropyCase(context, backward: true, dtype, shape.Extents[0], shape.Extents[1]);
    }
}

/// <summary>One loss, or its gradient.</summary>
internal sealed unsafe class CrossEntropyCase : BenchmarkCase
{
    private const int SampledRows = 4;

    private readonly bool _backward;
    private readonly aios_dtype _type;
    private readonly long _rows;
    private readonly long _classes;
    private float[] _host = [];
    private int[] _hostTargets = [];
    private double[] _hostSums = [];
    private Operand? _logits;
    private Operand? _targets;
    private Operand? _loss;
    private Operand? _sums;
    private Operand? _one;
    private Operand? _gradient;
    private Operand? _workspace;

    public CrossEntropyCase(BenchContext context, bool backward, string dtype, long rows, long classes)
        : base(context, backward ? "crossentropy_backward" : "crossentropy", dtype, string.Create(CultureInfo.InvariantCulture, $"{rows},{classes}"))
    {
        (_backward, _type, _rows, _classes) = (backward, Verdict.TypeOf(dtype), rows, classes);
        double bytes = (double)rows * classes * Operand.SizeOf(_type);
        Work = new Work(0, Arithmetic.None, bytes, backward ? bytes : 0);
    }

    public override Work Work { get; }

    public override IReadOnlyList<Operand> Outputs => _backward ? [_gradient!] : [_loss!, _sums!];

    public override void Prepare()
    {
        _host = Context.Random(_rows * _classes, 1);
        for (int i = 0; i < _host.Length; i++)
        {
            _host[i] *= 6;
        }

        _hostTargets = [.. Enumerable.Range(0, (int)_rows).Select(row => (int)(row * 7919L % _classes))];
        _logits = Own(new Operand(Stream, _type, _rows * _classes)).Write(_host);
        _targets = Own(new Operand(Stream, aios_dtype.I32, _rows)).Write(_hostTargets);
        _hostSums = [.. Enumerable.Range(0, (int)_rows).Select(LogSum)];
        float mean = (float)_hostTargets.Select((target, row) => _hostSums[row] - _host[(row * _classes) + target]).Average();
        _loss = Own(new Operand(Stream, aios_dtype.F32, 2)).Write([mean, _rows]);
        _sums = Own(new Operand(Stream, aios_dtype.F32, _rows)).Write(Array.ConvertAll(_hostSums, x => (float)x));
        _one = Own(new Operand(Stream, aios_dtype.F32, 1)).Write([1f]);
        if (_backward)
        {
            _gradient = Own(new Operand(Stream, _type, _rows * _classes));
        }
        else
        {
            _workspace = Workspace(Kernels.aios_cross_entropy_workspace_size(_rows, _classes, _type), nameof(KernelTable.aios_cross_entropy_workspace_size));
        }
    }

    public override void Launch(int index) => Stream.Check(
        _backward
            ? Kernels.aios_cross_entropy_backward(
                Stream.Handle, (void*)_gradient!.Pointer, (float*)_one!.Pointer, (float*)_loss!.Pointer, (float*)_sums!.Pointer,
                (void*)_logits!.Pointer, (int*)_targets!.Pointer, _rows, _classes, _classes, _type)
            : Kernels.aios_cross_entropy(
                Stream.Handle, (float*)_loss!.Pointer, (float*)_sums!.Pointer, (void*)_logits!.Pointer, (int*)_targets!.Pointer,
                (void*)_workspace!.Pointer, _workspace.Bytes, _rows, _classes, _classes, _type),
        Op);

    public override void Check(Verdict verdict)
    {
        if (!_backward)
        {
            float[] loss = _loss!.Read(), sums = _sums!.Read();
            double mean = _hostTargets.Select((target, row) => _hostSums[row] - _host[(row * _classes) + target]).Average();
            verdict.Near("loss", 0, loss[0], mean, 1e-5 * Math.Abs(mean));
            verdict.Near("count", 1, loss[1], _rows, 0);
            for (int row = 0; row < _rows; row++)
            {
                verdict.Near("lse", row, sums[row], _hostSums[row], 1e-5 * Math.Abs(_hostSums[row]));
            }

            return;
        }

        float[] gradient = _gradient!.Read();
        foreach (long row in Verdict.Sample(_rows, SampledRows))
        {
            for (long c = 0; c < _classes; c++)
            {
                long at = (row * _classes) + c;
                double expected = (Math.Exp(_host[at] - _hostSums[row]) - (c == _hostTargets[row] ? 1 : 0)) / _rows;
                verdict.Near("dlogits", at, gradient[at], expected, (Verdict.Rounding(_type) + 2e-5) * Math.Abs(expected));
            }
        }
    }

    private double LogSum(int row)
    {
        double sum = 0;
        foreach (float x in _host.AsSpan((int)(row * _classes), (int)_classes))
        {
            sum += Math.Exp(x);
        }

        return Math.Log(sum);
    }
}

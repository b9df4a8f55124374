using System.Globalization;
using System.Runtime.InteropServices;
using AiOs.Bench.Measure;
using AiOs.Interop;
using AiOs.Runtime;

namespace AiOs.Bench.Families;

/// <summary>The optimizer's update of one tensor; in bf16 with a binary32 master.</summary>
internal sealed class AdamWBenchmark : IBenchmark
{
    public string Name => "adamw";

    public ShapeSyntax Syntax { get; } = new("elements", 1);

    public IReadOnlyList<string> DTypes { get; } = ["f32", "bf16"];

    public IReadOnlyList<string> DefaultShapes(string dtype) => ["65536", "33554432"];

    public IEnumerable<BenchmarkCase> Cases(BenchContext context, string dtype, BenchShape shape)
    {
        yield return new AdamWCase(context, dtype, shape.Extents[0]);
    }
}

/// <summary>One update.</summary>
internal sealed unsafe class AdamWCase : BenchmarkCase
{
    private const double Rate = 1e-3, Beta1 = 0.9, Beta2 = 0.95, Epsilon = 1e-8, Decay = 0.1;
    private const long Step = 3;
    private const int Samples = 4096;

    private readonly aios_dtype _type;
    private readonly long _count;
    private float[] _hostParam = [];
    private float[] _hostGradient = [];
    private float[] _hostFirst = [];
    private float[] _hostSecond = [];
    private Operand? _param;
    private Operand? _master;
    private Operand? _gradient;
    private Operand? _first;
    private Operand? _second;
    private DeviceMemory<aios_adamw_tensor>? _table;

    public AdamWCase(BenchContext context, string dtype, long count)
        : base(context, "adamw", dtype, count.ToString(CultureInfo.InvariantCulture))
    {
        (_type, _count) = (Verdict.TypeOf(dtype), count);
        Work = _type == aios_dtype.F32
            ? new Work(0, Arithmetic.None, 16.0 * count, 12.0 * count, 12.0 * count)
            : new Work(0, Arithmetic.None, 14.0 * count, 14.0 * count, 12.0 * count);
    }

    public override Work Work { get; }

    public override IReadOnlyList<Operand> Outputs => [_param!, _first!, _second!];

    public override void Prepare()
    {
        _hostParam = Context.Random(_count, 1);
        _hostGradient = Context.Random(_count, 2);
        _hostFirst = Context.Random(_count, 3);
        _hostSecond = Array.ConvertAll(Context.Random(_count, 4), Math.Abs);
        _param = Own(new Operand(Stream, _type, _count));
        _gradient = Own(new Operand(Stream, _type, _count)).Write(_hostGradient);
        _first = Own(new Operand(Stream, aios_dtype.F32, _count));
        _second = Own(new Operand(Stream, aios_dtype.F32, _count));
        _master = _type == aios_dtype.F32 ? null : Own(new Operand(Stream, aios_dtype.F32, _count));
        _table = Own(Device.Allocate<aios_adamw_tensor>(1, Stream));
        aios_adamw_tensor row = new()
        {
            param = (void*)_param.Pointer,
            grad = (void*)_gradient.Pointer,
            master = _master is null ? null : (float*)_master.Pointer,
            m = (float*)_first.Pointer,
            v = (float*)_second.Pointer,
            n = _count,
            weight_decay = Decay,
            dtype = _type,
        };
        Stream.CopyFromHost(_table.Pointer, MemoryMarshal.CreateReadOnlySpan(ref row, 1));
    }

    public override void Reset()
    {
        (_master ?? _param)!.Write(_hostParam);
        _first!.Write(_hostFirst);
        _second!.Write(_hostSecond);
    }

    public override void Launch(int index) => Stream.Check(
        Kernels.aios_adamw(Stream.Handle, (aios_adamw_tensor*)_table!.Pointer, null, 1, Step, Rate, Beta1, Beta2, Epsilon),
        nameof(KernelTable.aios_adamw));

    public override void Check(Verdict verdict)
    {
        float[] param = _param!.Read(), first = _first!.Read(), second = _second!.Read();
        foreach (long i in Verdict.Sample(_count, Samples))
        {
            double g = _hostGradient[i];
            double m = (Beta1 * _hostFirst[i]) + ((1 - Beta1) * g);
            double v = (Beta2 * _hostSecond[i]) + ((1 - Beta2) * g * g);
            double p = _hostParam[i] * (1 - (Rate * Decay));
            p -= Rate / (1 - Math.Pow(Beta1, Step)) * m / ((Math.Sqrt(v) / Math.Sqrt(1 - Math.Pow(Beta2, Step))) + Epsilon);
            verdict.Near("param", i, param[i], p, (Verdict.Rounding(_type) * Math.Abs(p)) + 1e-6);
            verdict.Near("m", i, first[i], m, 1e-6);
            verdict.Near("v", i, second[i], v, 1e-6);
        }
    }
}

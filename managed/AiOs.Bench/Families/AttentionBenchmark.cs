using System.Globalization;
using AiOs.Bench.Measure;
using AiOs.Interop;

namespace AiOs.Bench.Families;

/// <summary>Causal attention, forward and backward. Its arithmetic is in binary32 whatever the storage.</summary>
internal sealed class AttentionBenchmark : IBenchmark
{
    public string Name => "attention";

    public ShapeSyntax Syntax { get; } = new("batch,heads,length,head_dim", 4);

    public IReadOnlyList<string> DTypes { get; } = ["f32", "bf16"];

    public IReadOnlyList<string> DefaultShapes(string dtype) =>
        ["4,12,64,64", "4,12,256,64", "2,12,512,64", "1,12,1024,64", "1,12,4096,64", "1,12,1024,128", "1,12,4096,128"];

    public IEnumerable<BenchmarkCase> Cases(BenchContext context, string dtype, BenchShape shape)
    {
        yield return new AttentionCase(context, backward: false, dtype, shape.Extents);
        yield return new AttentionCase(context, backward: true, dtype, shape.Extents);
    }
}

/// <summary>One attention; q, k, v lie as [batch][length][head][head_dim].</summary>
internal sealed unsafe class AttentionCase : BenchmarkCase
{
    private const int Samples = 16;

    /// <summary>Queries after a sampled key that the check of its gradient may cost.</summary>
    private const long LongestColumn = 1024;

    private readonly bool _backward;
    private readonly aios_dtype _type;
    private readonly aios_attention_desc _desc;
    private readonly long _batch;
    private readonly long _heads;
    private readonly long _length;
    private readonly long _dim;
    private float[] _hostQ = [];
    private float[] _hostK = [];
    private float[] _hostV = [];
    private float[] _hostGradient = [];
    private Operand? _q;
    private Operand? _k;
    private Operand? _v;
    private Operand? _out;
    private Operand? _sums;
    private Operand? _gradient;
    private Operand? _dq;
    private Operand? _dk;
    private Operand? _dv;
    private Operand? _workspace;

    public AttentionCase(BenchContext context, bool backward, string dtype, long[] extents)
        : base(context, backward ? "attention_backward" : "attention", dtype, string.Join(',', extents.Select(e => e.ToString(CultureInfo.InvariantCulture))))
    {
        (_backward, _type) = (backward, Verdict.TypeOf(dtype));
        (_batch, _heads, _length, _dim) = (extents[0], extents[1], extents[2], extents[3]);
        if (_dim > 256)
        {
            throw new BenchInputException($"--shapes {Shape}: head_dim is at most 256");
        }

        _desc = new aios_attention_desc
        {
            batch = _batch,
            heads = _heads,
            kv_heads = _heads,
            q_len = _length,
            kv_len = _length,
            head_dim = _dim,
            scale = (float)(1 / Math.Sqrt(_dim)),
            causal = 1,
            dtype = _type,
        };
        long[] strides = [_length * _heads * _dim, _dim, _heads * _dim];
        for (int i = 0; i < strides.Length; i++)
        {
            _desc.q_stride[i] = _desc.k_stride[i] = _desc.v_stride[i] = _desc.out_stride[i] = strides[i];
        }

        // Two products for every pair of a query and a key that it sees; backward makes the scores again and has four more.
        double pairs = _batch * _heads * (_length * (_length + 1) / 2.0);
        double bytes = (double)_batch * _heads * _length * _dim * Operand.SizeOf(_type);
        Work = backward
            ? new Work(10 * _dim * pairs, Arithmetic.F32, 5 * bytes, 3 * bytes)
            : new Work(4 * _dim * pairs, Arithmetic.F32, 3 * bytes, bytes);
    }

    public override Work Work { get; }

    public override IReadOnlyList<Operand> Outputs => _backward ? [_dq!, _dk!, _dv!] : [_out!];

    public override void Prepare()
    {
        long count = _batch * _heads * _length * _dim;
        _hostQ = Context.Random(count, 1);
        _hostK = Context.Random(count, 2);
        _hostV = Context.Random(count, 3);
        _q = Own(new Operand(Stream, _type, count)).Write(_hostQ);
        _k = Own(new Operand(Stream, _type, count)).Write(_hostK);
        _v = Own(new Operand(Stream, _type, count)).Write(_hostV);
        _out = Own(new Operand(Stream, _type, count));
        _sums = Own(new Operand(Stream, aios_dtype.F32, _batch * _heads * _length));
        aios_attention_desc desc = _desc;
        _workspace = Workspace(Kernels.aios_attention_workspace_size(&desc), nameof(KernelTable.aios_attention_workspace_size));
        if (_backward)
        {
            _hostGradient = Context.Random(count, 4);
            _gradient = Own(new Operand(Stream, _type, count)).Write(_hostGradient);
            _dq = Own(new Operand(Stream, _type, count));
            _dk = Own(new Operand(Stream, _type, count));
            _dv = Own(new Operand(Stream, _type, count));
            Forward();
            _workspace = Workspace(Kernels.aios_attention_backward_workspace_size(&desc), nameof(KernelTable.aios_attention_backward_workspace_size));
        }
    }

    public override void Launch(int index)
    {
        if (_backward)
        {
            Backward();
        }
        else
        {
            Forward();
        }
    }

    public override void Check(Verdict verdict)
    {
        double tolerance = 4 * Verdict.Rounding(_type) + 2e-5;
        float[] first = (_backward ? _dq : _out)!.Read();
        foreach (long row in Verdict.Sample(_batch * _heads * _length, Samples))
        {
            long query = row % _length, at = Place(row / _length, query);
            double[] p = Probabilities(row / _length, query);
            double[] gradients = _backward ? ScoreGradients(row / _length, query, p) : p;
            for (int d = 0; d < _dim; d++)
            {
                double expected = 0, magnitude = 0;
                for (long key = 0; key <= query; key++)
                {
                    double term = gradients[key] * (_backward ? _hostK : _hostV)[Place(row / _length, key) + d];
                    expected += term;
                    magnitude += Math.Abs(term);
                }

                verdict.Near(_backward ? "dq" : "out", at + d, first[at + d], expected, tolerance * (magnitude + 0.01));
            }
        }

        if (_backward)
        {
            CheckKeys(verdict, tolerance);
        }
    }

    private long Place(long head, long position) =>
        (((head / _heads * _length) + position) * _heads * _dim) + (head % _heads * _dim);

    private static double Dot(float[] a, long atA, float[] b, long atB, long count)
    {
        double sum = 0;
        for (long i = 0; i < count; i++)
        {
            sum += (double)a[atA + i] * b[atB + i];
        }

        return sum;
    }

    private double[] Probabilities(long head, long query)
    {
        double[] p = new double[query + 1];
        for (long key = 0; key <= query; key++)
        {
            p[key] = _desc.scale * Dot(_hostQ, Place(head, query), _hostK, Place(head, key), _dim);
        }

        double top = p.Max(), sum = 0;
        for (int i = 0; i < p.Length; i++)
        {
            p[i] = Math.Exp(p[i] - top);
            sum += p[i];
        }

        for (int i = 0; i < p.Length; i++)
        {
            p[i] /= sum;
        }

        return p;
    }

    /// <summary>Gradients of a query's scores, with the scale in them.</summary>
    private double[] ScoreGradients(long head, long query, double[] p)
    {
        double[] g = new double[p.Length];
        double mean = 0;
        for (long key = 0; key < p.Length; key++)
        {
            g[key] = Dot(_hostGradient, Place(head, query), _hostV, Place(head, key), _dim);
            mean += p[key] * g[key];
        }

        for (int i = 0; i < g.Length; i++)
        {
            g[i] = _desc.scale * p[i] * (g[i] - mean);
        }

        return g;
    }

    /// <summary>Gradients of two keys and their values: one that few queries see, one of the first that may be afforded.</summary>
    private void CheckKeys(Verdict verdict, double tolerance)
    {
        float[] dk = _dk!.Read(), dv = _dv!.Read();
        long head = (_batch * _heads) - 1;
        foreach (long key in new[] { _length - 1, Math.Max(0, _length - LongestColumn) }.Distinct())
        {
            double[] expectedK = new double[_dim], expectedV = new double[_dim], sizeK = new double[_dim], sizeV = new double[_dim];
            for (long query = key; query < _length; query++)
            {
                double[] p = Probabilities(head, query);
                double g = ScoreGradients(head, query, p)[key];
                for (int d = 0; d < _dim; d++)
                {
                    double termK = g * _hostQ[Place(head, query) + d], termV = p[key] * _hostGradient[Place(head, query) + d];
                    expectedK[d] += termK;
                    sizeK[d] += Math.Abs(termK);
                    expectedV[d] += termV;
                    sizeV[d] += Math.Abs(termV);
                }
            }

            for (int d = 0; d < _dim; d++)
            {
                long at = Place(head, key) + d;
                verdict.Near("dk", at, dk[at], expectedK[d], tolerance * (sizeK[d] + 0.01));
                verdict.Near("dv", at, dv[at], expectedV[d], tolerance * (sizeV[d] + 0.01));
            }
        }
    }

    private void Forward()
    {
        aios_attention_desc desc = _desc;
        Stream.Check(
            Kernels.aios_attention(
                Stream.Handle, (void*)_out!.Pointer, (float*)_sums!.Pointer, (void*)_q!.Pointer, (void*)_k!.Pointer, (void*)_v!.Pointer,
                (void*)_workspace!.Pointer, _workspace.Bytes, &desc),
            nameof(KernelTable.aios_attention));
    }

    private void Backward()
    {
        aios_attention_desc desc = _desc;
        Stream.Check(
            Kernels.aios_attention_backward(
                Stream.Handle, (void*)_dq!.Pointer, (void*)_dk!.Pointer, (void*)_dv!.Pointer, (void*)_gradient!.Pointer, (void*)_out!.Pointer,
                (float*)_sums!.Pointer, (void*)_q!.Pointer, (void*)_k!.Pointer, (void*)_v!.Pointer, (void*)_workspace!.Pointer, _workspace.Bytes, &desc),
            nameof(KernelTable.aios_attention_backward));
    }
}

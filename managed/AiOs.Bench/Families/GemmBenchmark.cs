using System.Globalization;
using AiOs.Bench.Measure;
using AiOs.Bench.Peers;
using AiOs.Bench.Results;
using AiOs.Interop;

namespace AiOs.Bench.Families;

/// <summary>Matrix products: squares, those of a training step of GPT-2 124M, and those with few rows.</summary>
internal sealed class GemmBenchmark : IBenchmark
{
    /// <summary>The products of one training step of GPT-2 124M at 256 tokens, and how often each occurs.</summary>
    private static readonly (string Shape, int Count)[] StepOfGpt2 =
    [
        ("256,2304,768,nn", 12), ("256,768,2304,nt", 12), ("768,2304,256,tn", 12),
        ("256,768,768,nn", 12), ("256,768,768,nt", 12), ("768,768,256,tn", 12),
        ("256,3072,768,nn", 12), ("256,768,3072,nt", 12), ("768,3072,256,tn", 12),
        ("256,768,3072,nn", 12), ("256,3072,768,nt", 12), ("3072,768,256,tn", 12),
        ("256,50257,768,nt", 1), ("256,768,50257,nn", 1), ("50257,768,256,tn", 1),
    ];

    private static readonly string[] Squares = ["64", "128", "256", "512", "1024", "2048", "4096"];

    private static readonly string[] FewRows =
        ["1,4096,4096,nn", "1,4096,4096,nt", "8,4096,4096,nn", "8,4096,4096,nt", "16,4096,4096,nn", "16,4096,4096,nt"];

    public string Name => "gemm";

    public ShapeSyntax Syntax { get; } = new("m,n,k[,nn|nt|tn|tt]", 3, "nn", "nt", "tn", "tt");

    public IReadOnlyList<string> DTypes { get; } = ["f32", "bf16"];

    public IReadOnlyList<string> DefaultShapes(string dtype) =>
        [.. Squares.Select(n => $"{n},{n},{n},nn"), .. StepOfGpt2.Select(product => product.Shape), .. FewRows];

    public IEnumerable<BenchmarkCase> Cases(BenchContext context, string dtype, BenchShape shape)
    {
        yield return new GemmCase(context, dtype, shape.Extents[0], shape.Extents[1], shape.Extents[2], shape.Word);
    }

    public IEnumerable<BenchResult> Derive(IReadOnlyList<BenchResult> results)
    {
        foreach (IGrouping<string, BenchResult> group in results.Where(r => r.Op == "gemm" && r.MedianUs is not null).GroupBy(r => r.DType))
        {
            Dictionary<string, BenchResult> byShape = group.DistinctBy(r => r.Shape).ToDictionary(r => r.Shape);
            if (StepOfGpt2.All(product => byShape.ContainsKey(product.Shape)))
            {
                yield return StepSum([.. StepOfGpt2.Select(product => (byShape[product.Shape], product.Count))]);
            }
        }
    }

    /// <summary>The step as a whole: sums over its products, for each peer, and for the best peer of each product.</summary>
    private static BenchResult StepSum(IReadOnlyList<(BenchResult Result, int Count)> parts)
    {
        double Sum(Func<BenchResult, double> value) => parts.Sum(part => part.Count * value(part.Result));
        BenchResult first = parts[0].Result;
        SortedDictionary<string, double> peers = new(StringComparer.Ordinal);
        foreach (string name in first.Peers.Keys.Where(name => parts.All(part => part.Result.Peers.ContainsKey(name))))
        {
            peers[name] = Sum(r => r.Peers[name]);
        }

        bool compared = parts.All(part => part.Result.RatioToBestPeer is not null);
        if (compared)
        {
            peers["best_per_shape"] = Sum(r => r.MedianUs!.Value * r.RatioToBestPeer!.Value);
        }

        double median = Sum(r => r.MedianUs!.Value);
        double operations = Sum(r => r.Operations);
        return first with
        {
            Op = "gemm_step",
            Shape = "gpt2-124m,256",
            Level = null,
            MedianUs = median,
            P10Us = Sum(r => r.P10Us!.Value),
            P90Us = Sum(r => r.P90Us!.Value),
            Operations = operations,
            Bytes = Sum(r => r.Bytes),
            Gflops = 1e-3 * operations / median,
            Gbps = null,
            LimitShare = Sum(r => r.MedianUs!.Value * r.LimitShare!.Value) / median,
            Limit = first.Limit,
            LimitSpread = parts.Max(part => part.Result.LimitSpread),
            Peers = peers,
            RatioToBestPeer = compared ? peers["best_per_shape"] / median : null,
            Rounds = parts.Min(part => part.Result.Rounds),
            AllocatedBytes = Sum(r => r.AllocatedBytes),
        };
    }
}

/// <summary>One matrix product.</summary>
internal sealed unsafe class GemmCase : BenchmarkCase
{
    private const int Samples = 400;

    /// <summary>Rows up to which the product is bound by reading B from memory.</summary>
    private const long FewRows = 32;

    private readonly aios_gemm_desc _desc;
    private readonly aios_dtype _type;
    private readonly int _copies;
    private Operand? _a;
    private Operand? _b;
    private Operand? _c;
    private Operand? _workspace;
    private float[] _hostA = [];
    private float[] _hostB = [];

    public GemmCase(BenchContext context, string dtype, long m, long n, long k, string layout)
        : base(context, "gemm", dtype, string.Create(CultureInfo.InvariantCulture, $"{m},{n},{k},{layout}"))
    {
        bool transA = layout[0] == 't', transB = layout[1] == 't';
        _type = dtype == "f32" ? aios_dtype.F32 : aios_dtype.Bf16;
        _desc = new aios_gemm_desc
        {
            m = m,
            n = n,
            k = k,
            batch = 1,
            lda = transA ? m : k,
            ldb = transB ? k : n,
            ldc = n,
            trans_a = transA ? 1 : 0,
            trans_b = transB ? 1 : 0,
            dtype = _type,
            out_dtype = aios_dtype.F32,
            alpha = 1,
        };
        long bytes = n * k * Operand.SizeOf(_type);
        _copies = m <= FewRows ? ColdCopies(bytes) : 1;
        Work = new Work(
            2.0 * m * n * k, dtype == "f32" ? Arithmetic.F32 : Arithmetic.BF16, bytes + (m * k * Operand.SizeOf(_type)), 4.0 * m * n, _copies > 1);
    }

    public override Work Work { get; }

    public override IReadOnlyList<Operand> Outputs => [_c!];

    public override void Prepare()
    {
        _hostA = Context.Random(_desc.m * _desc.k, 1);
        _hostB = Context.Random(_desc.n * _desc.k, 2);
        _a = Own(new Operand(Stream, _type, _desc.m * _desc.k)).Write(_hostA);
        _b = Own(new Operand(Stream, _type, _desc.n * _desc.k, _copies)).Write(_hostB);
        _c = Own(new Operand(Stream, aios_dtype.F32, _desc.m * _desc.n));
        aios_gemm_desc desc = _desc;
        _workspace = Workspace(Kernels.aios_gemm_workspace_size(&desc), nameof(KernelTable.aios_gemm_workspace_size));
    }

    public override void Launch(int index)
    {
        aios_gemm_desc desc = _desc;
        Stream.Check(
            Kernels.aios_gemm(
                Stream.Handle, (void*)_c!.Pointer, null, (void*)_a!.Pointer, (void*)_b!.At(index), null, null,
                (void*)_workspace!.Pointer, _workspace.Bytes, &desc),
            nameof(KernelTable.aios_gemm));
    }

    public override void Check(Verdict verdict)
    {
        Compare(verdict, "c");
    }

    public override IReadOnlyList<PeerRun> MakePeers()
    {
        (int m, int n, int k) = ((int)_desc.m, (int)_desc.n, (int)_desc.k);
        (bool transA, bool transB) = (_desc.trans_a != 0, _desc.trans_b != 0);
        List<PeerRun> peers = [];
        if (_type == aios_dtype.F32)
        {
            foreach (BlasLibrary blas in Context.Peers.Blas)
            {
                peers.Add(new SimplePeer(blas.Name, index => blas.Multiply(_c!.Pointer, _a!.Pointer, _b!.At(index), m, n, k, transA, transB)));
            }
        }

        if (Context.Peers.OneDnn is { } oneDnn)
        {
            (int A, int B, int C) types = (OneDnn.TypeOf(_type), OneDnn.TypeOf(_type), PeerConstants.DNNL_F32);
            nint[] weights = [.. Enumerable.Range(0, _copies).Select(_b!.At)];
            peers.Add(oneDnn.MakeProduct((m, n, k, transA, transB), types, packed: false, _a!.Pointer, weights, _c!.Pointer));
        }

        // A peer that was set up wrongly would be no comparison.
        foreach (PeerRun peer in peers)
        {
            _c!.Clear();
            Stream.Synchronize();
            peer.Launch(0);
            Verdict verdict = new();
            Compare(verdict, peer.Name);
            if (verdict.Problem is { } problem)
            {
                throw new Runtime.AiOsException($"gemm {DType} {Shape}: the peer is wrong: {problem}; leave --peers out");
            }
        }

        return peers;
    }

    /// <summary>Some elements, summed in binary64; the rounding of K additions in binary32 is allowed for.</summary>
    private void Compare(Verdict verdict, string what)
    {
        float[] c = _c!.Read();
        double unit = Verdict.Rounding(aios_dtype.F32) * (8 + (4 * Math.Sqrt(_desc.k)));
        foreach (long at in Verdict.Sample(c.LongLength, Samples))
        {
            (long i, long j) = Math.DivRem(at, _desc.n);
            double sum = 0, magnitude = 0;
            for (long p = 0; p < _desc.k; p++)
            {
                double product = (double)_hostA[_desc.trans_a != 0 ? (p * _desc.m) + i : (i * _desc.k) + p]
                    * _hostB[_desc.trans_b != 0 ? (j * _desc.k) + p : (p * _desc.n) + j];
                sum += product;
                magnitude += Math.Abs(product);
            }

            verdict.Near(what, at, c[at], sum, magnitude * unit);
        }
    }
}

using System.Globalization;
using AiOs.Bench.Measure;
using AiOs.Bench.Peers;
using AiOs.Interop;

namespace AiOs.Bench.Families;

/// <summary>One matrix product. The left operand of an i8 product is not negative, so that peers may read it as u8.</summary>
internal sealed unsafe class GemmCase : BenchmarkCase
{
    private const int Samples = 400;

    /// <summary>Rows up to which the product is bound by reading B from memory.</summary>
    private const long FewRows = 32;

    private const string PackedSuffix = "_packed";

    private readonly aios_gemm_desc _desc;
    private readonly bool _packed;
    private readonly int _copies;
    private Operand? _a;
    private Operand? _b;
    private Operand? _packedB;
    private Operand? _c;
    private Operand? _workspace;
    private float[] _hostA = [];
    private float[] _hostB = [];

    public GemmCase(BenchContext context, string dtype, long m, long n, long k, string layout)
        : base(context, "gemm", dtype, string.Create(CultureInfo.InvariantCulture, $"{m},{n},{k},{layout}"))
    {
        bool transA = layout[0] == 't', transB = layout[1] == 't';
        aios_dtype type = Verdict.TypeOf(dtype);
        _packed = layout.EndsWith(PackedSuffix, StringComparison.Ordinal);
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
            dtype = type,
            out_dtype = type == aios_dtype.I8 ? aios_dtype.I32 : aios_dtype.F32,
            alpha = 1,
        };
        long bytes = n * k * Operand.SizeOf(type);
        _copies = m <= FewRows ? ColdCopies(bytes) : 1;
        Work = new Work(
            2.0 * m * n * k, dtype switch { "bf16" => Arithmetic.BF16, "i8" => Arithmetic.I8, _ => Arithmetic.F32 },
            bytes + (m * k * Operand.SizeOf(type)), 4.0 * m * n, Cold: _copies > 1);
    }

    public override Work Work { get; }

    public override IReadOnlyList<Operand> Outputs => [_c!];

    public override void Prepare()
    {
        aios_gemm_desc desc = _desc;
        _hostA = Context.Random(_desc.m * _desc.k, 1);
        if (_desc.dtype == aios_dtype.I8)
        {
            for (int i = 0; i < _hostA.Length; i++)
            {
                _hostA[i] = Math.Abs(_hostA[i]);
            }
        }

        _hostB = Context.Random(_desc.n * _desc.k, 2);
        _a = Own(new Operand(Stream, _desc.dtype, _desc.m * _desc.k)).Write(_hostA);
        _b = Own(new Operand(Stream, _desc.dtype, _desc.n * _desc.k, _copies)).Write(_hostB);
        _c = Own(new Operand(Stream, _desc.out_dtype, _desc.m * _desc.n));
        if (_packed)
        {
            long bytes = Kernels.aios_gemm_packed_size(&desc);
            Stream.Check((aios_status)Math.Max(0, -bytes), nameof(KernelTable.aios_gemm_packed_size));
            _packedB = Own(new Operand(Stream, aios_dtype.U8, bytes, _copies));
            for (int copy = 0; copy < _copies; copy++)
            {
                Stream.Check(Kernels.aios_gemm_pack(Stream.Handle, (void*)_packedB.At(copy), (void*)_b.Pointer, &desc), nameof(KernelTable.aios_gemm_pack));
            }

            desc.packed_b = 1;
        }

        _workspace = Workspace(Kernels.aios_gemm_workspace_size(&desc), nameof(KernelTable.aios_gemm_workspace_size));
    }

    public override void Launch(int index)
    {
        aios_gemm_desc desc = _desc;
        desc.packed_b = _packed ? 1 : 0;
        Stream.Check(
            Kernels.aios_gemm(
                Stream.Handle, (void*)_c!.Pointer, null, (void*)_a!.Pointer, (void*)(_packedB ?? _b)!.At(index), null, null,
                (void*)_workspace!.Pointer, _workspace.Bytes, &desc),
            nameof(KernelTable.aios_gemm));
    }

    public override void Check(Verdict verdict) => Compare(verdict, "c");

    public override IReadOnlyList<PeerRun> MakePeers()
    {
        (int m, int n, int k) = ((int)_desc.m, (int)_desc.n, (int)_desc.k);
        (bool transA, bool transB) = (_desc.trans_a != 0, _desc.trans_b != 0);
        List<PeerRun> peers = [];
        if (_desc.dtype == aios_dtype.F32 && !_packed)
        {
            foreach (BlasLibrary blas in Context.Peers.Blas)
            {
                peers.Add(new SimplePeer(blas.Name, index => blas.Multiply(_c!.Pointer, _a!.Pointer, _b!.At(index), m, n, k, transA, transB), Context.Peers.Threads));
            }
        }

        if (Context.Peers.OneDnn is { } oneDnn)
        {
            aios_dtype left = _desc.dtype == aios_dtype.I8 ? aios_dtype.U8 : _desc.dtype;
            (int A, int B, int C) types = (OneDnn.TypeOf(left), OneDnn.TypeOf(_desc.dtype), OneDnn.TypeOf(_desc.out_dtype));
            nint[] weights = [.. Enumerable.Range(0, _copies).Select(_b!.At)];
            peers.Add(oneDnn.MakeProduct((m, n, k, transA, transB), types, _packed, _a!.Pointer, weights, _c!.Pointer, Context.Peers.Threads));
        }

        if (!_packed && Context.Peers.Cublas is { } cublas)
        {
            try
            {
                peers.Add(cublas.MakeProduct("cublas", Context, (_desc.m, _desc.n, _desc.k, transA, transB), CublasTypes.Of(DType), _a!, _b!, _c!));
            }
            catch (Runtime.AiOsException e)
            {
                Context.Note($"gemm {DType} {Shape} has no peer: {e.Message}");
            }
        }

        // A peer that was set up wrongly would be no comparison.
        foreach (PeerRun peer in peers)
        {
            _c!.Clear();
            Stream.Synchronize();
            _ = peer.Time(0, 1);
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

            // Integers are exact; the reader's conversion to binary32 is not.
            verdict.Near(what, at, c[at], sum, _desc.dtype == aios_dtype.I8 ? Verdict.Rounding(aios_dtype.F32) * Math.Abs(sum) : magnitude * unit);
        }
    }
}

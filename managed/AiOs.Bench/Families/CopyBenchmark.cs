using System.Globalization;
using AiOs.Bench.Measure;
using AiOs.Bench.Peers;
using AiOs.Interop;
using AiOs.Runtime;

namespace AiOs.Bench.Families;

/// <summary>Copies on the device: from what fits the first-level cache to what fits none.</summary>
internal sealed class CopyBenchmark : IBenchmark
{
    public string Name => "copy";

    public ShapeSyntax Syntax { get; } = new("bytes", 1);

    public IReadOnlyList<string> DTypes { get; } = ["bytes"];

    public IReadOnlyList<string> DefaultShapes(string dtype) => ["16384", "262144", "4194304", "67108864", "268435456"];

    public IEnumerable<BenchmarkCase> Cases(BenchContext context, string dtype, BenchShape shape)
    {
        yield return new CopyCase(context, shape.Extents[0]);
    }
}

/// <summary>One copy; the peer is the C library's, on one thread, as <see cref="Buffer.MemoryCopy(void*, void*, long, long)"/> calls it.</summary>
internal sealed unsafe class CopyCase(BenchContext context, long bytes)
    : BenchmarkCase(context, "copy", "bytes", bytes.ToString(CultureInfo.InvariantCulture))
{
    private Operand? _from;
    private Operand? _to;
    private float[] _host = [];

    public override Work Work { get; } = new(0, Arithmetic.None, bytes, bytes, Moves: true);

    public override IReadOnlyList<Operand> Outputs => [_to!];

    public override void Prepare()
    {
        _host = Context.Random(bytes, 1);
        _from = Own(new Operand(Stream, aios_dtype.I8, bytes)).Write(_host);
        _to = Own(new Operand(Stream, aios_dtype.I8, bytes));
    }

    public override void Launch(int index) => Stream.Copy(_to!.Pointer, _from!.Pointer, bytes);

    public override void Check(Verdict verdict)
    {
        byte[] copied = new byte[bytes];
        Stream.CopyToHost<byte>(copied, _to!.Pointer);
        for (long i = 0; i < bytes; i++)
        {
            verdict.Near("byte", i, (sbyte)copied[i], _host[i], 0);
        }
    }

    public override IReadOnlyList<PeerRun> MakePeers() => !Context.Peers.Managed
        ? []
        : [new SimplePeer("memcpy_1_thread", _ => Buffer.MemoryCopy((void*)_from!.Pointer, (void*)_to!.Pointer, bytes, bytes))];
}

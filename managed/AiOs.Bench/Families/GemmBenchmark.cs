using AiOs.Bench.Measure;
using AiOs.Bench.Results;

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

    private static readonly string[] Packed =
        ["1024,1024,1024,nt_packed", "2048,2048,2048,nt_packed", "4096,4096,4096,nt_packed", "8,4096,4096,nt_packed"];

    public string Name => "gemm";

    public ShapeSyntax Syntax { get; } =
        new("m,n,k[,nn|nt|tn|tt|nn_packed|nt_packed]", 3, "nn", "nt", "tn", "tt", "nn_packed", "nt_packed");

    public IReadOnlyList<string> DTypes { get; } = ["f32", "bf16", "i8"];

    public IReadOnlyList<string> DefaultShapes(string dtype) => dtype == "i8"
        ? [.. Squares.Skip(2).Select(n => $"{n},{n},{n},nt"), "1,4096,4096,nt", "8,4096,4096,nt", .. Packed]
        : [.. Squares.Select(n => $"{n},{n},{n},nn"), .. StepOfGpt2.Select(product => product.Shape), .. FewRows, .. Packed];

    public IEnumerable<BenchmarkCase> Cases(BenchContext context, string dtype, BenchShape shape)
    {
        yield return new GemmCase(context, dtype, shape.Extents[0], shape.Extents[1], shape.Extents[2], shape.Word);
    }

    /// <summary>What only cuBLASLt has, at the plain shapes that were asked for.</summary>
    public IEnumerable<BenchmarkCase> Others(BenchContext context)
    {
        if (context.Peers.Cublas is null || context.Settings.DType is not null)
        {
            yield break;
        }

        IEnumerable<string> shapes = context.Settings.Shapes is { } text ? ShapeText.Split(text) : Squares;
        foreach (long[] extents in shapes.Select(shape => Syntax.Parse(shape).Extents).DistinctBy(extents => (extents[0], extents[1], extents[2])))
        {
            foreach (string dtype in CublasCase.Types)
            {
                yield return new CublasCase(context, dtype, extents[0], extents[1], extents[2]);
            }
        }
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

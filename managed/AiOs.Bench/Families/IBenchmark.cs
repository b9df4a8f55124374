using AiOs.Bench.Measure;
using AiOs.Bench.Results;

namespace AiOs.Bench.Families;

/// <summary>A family of cases: one of the names that <c>aios bench</c> takes.</summary>
internal interface IBenchmark
{
    /// <summary>The name.</summary>
    string Name { get; }

    /// <summary>How a shape is written.</summary>
    ShapeSyntax Syntax { get; }

    /// <summary>Element types it has.</summary>
    IReadOnlyList<string> DTypes { get; }

    /// <summary>Shapes when none were named.</summary>
    IReadOnlyList<string> DefaultShapes(string dtype);

    /// <summary>The cases of a shape.</summary>
    IEnumerable<BenchmarkCase> Cases(BenchContext context, string dtype, BenchShape shape);

    /// <summary>Cases that have no shape.</summary>
    IEnumerable<BenchmarkCase> Others(BenchContext context) => [];

    /// <summary>Results that follow from others, such as the sum over a training step.</summary>
    IEnumerable<BenchResult> Derive(IReadOnlyList<BenchResult> results) => [];
}

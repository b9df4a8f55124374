using AiOs.Runtime;

namespace AiOs.Bench;

/// <summary>What is measured, and how.</summary>
public sealed record BenchSettings
{
    /// <summary>Name of the benchmark, one of <see cref="BenchSession.Names"/>, or <c>all</c>.</summary>
    public required string Benchmark { get; init; }

    /// <summary>Element type, such as <c>bf16</c>; null for all that the benchmark has.</summary>
    public string? DType { get; init; }

    /// <summary>Shapes separated by semicolons, or a file with one per line; null for the benchmark's own list.</summary>
    public string? Shapes { get; init; }

    /// <summary>
    /// A file with an allocation trace that the benchmark <c>memory</c> replays instead of its own cases; null for those.
    /// Each line is <c>alloc id bytes stream</c> or <c>free id stream</c>.
    /// </summary>
    public string? AllocationTrace { get; init; }

    /// <summary>Whether other libraries that are installed are measured too, in the same rounds.</summary>
    public bool Peers { get; init; }

    /// <summary>Rounds of a case at most; a long case takes fewer, but no fewer than three.</summary>
    public int Rounds { get; init; } = 9;

    /// <summary>Time that one sample should take, in seconds; short ops are repeated until they do.</summary>
    internal double SampleSeconds { get; init; } = 5e-3;

    /// <summary>Time that the rounds of one case should take, in seconds.</summary>
    internal double CaseSeconds { get; init; } = 1.5;

    /// <summary>Memory over which the speed of main memory is measured and cold operands are spread, in bytes.</summary>
    internal long ColdBytes { get; init; } = 640L << 20;

    /// <summary>
    /// Overwrites every result with zeros before it is checked: a check that passes all the same is no check. For tests.
    /// </summary>
    internal bool Tamper { get; init; }
}

/// <summary>The wish cannot be understood; the message is one line that names the value and says what is expected.</summary>
public sealed class BenchInputException : AiOsException
{
    /// <summary>Makes an exception.</summary>
    /// <param name="message">One line that names the value and says what is expected.</param>
    public BenchInputException(string message)
        : base(message)
    {
    }
}

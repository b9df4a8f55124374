namespace AiOs.Bench.Measure;

/// <summary>The arithmetic that bounds an op.</summary>
internal enum Arithmetic
{
    /// <summary>None that counts: the op is bound by memory.</summary>
    None,

    /// <summary>Fused multiply-adds of binary32.</summary>
    F32,

    /// <summary>Dot products of bf16 pairs.</summary>
    BF16,

    /// <summary>Dot products of 8-bit integers.</summary>
    I8,
}

/// <summary>Where operands are when an op begins.</summary>
internal enum Level
{
    /// <summary>The first-level caches.</summary>
    L1,

    /// <summary>The second-level caches.</summary>
    L2,

    /// <summary>The last-level cache.</summary>
    L3,

    /// <summary>Main memory.</summary>
    Dram,
}

/// <summary>What one launch has to do at least, whatever the algorithm.</summary>
/// <param name="Operations">Arithmetic operations; a multiply-add is two.</param>
/// <param name="Arithmetic">What they are.</param>
/// <param name="BytesRead">Bytes of operands, each counted once.</param>
/// <param name="BytesWritten">Bytes of results.</param>
/// <param name="Cold">Whether operands rotate through so much memory that no cache holds them.</param>
/// <param name="Sequential">Whether the arithmetic and the memory belong to parts that follow each other.</param>
internal readonly record struct Work(
    double Operations, Arithmetic Arithmetic, double BytesRead, double BytesWritten, bool Cold = false, bool Sequential = false)
{
    /// <summary>Bytes read and written.</summary>
    public double Bytes => BytesRead + BytesWritten;
}

/// <summary>Limits of the machine as measured in one round; what was not asked for is infinite.</summary>
/// <param name="Operations">Operations per second of the work's arithmetic.</param>
/// <param name="Read">Bytes per second of reading at the work's level.</param>
/// <param name="Copy">Bytes per second, read and written, of the faster way to copy at that level.</param>
internal readonly record struct RoundLimits(double Operations, double Read, double Copy)
{
    /// <summary>Least seconds for the arithmetic.</summary>
    public double ArithmeticSeconds(in Work work) => work.Operations / Operations;

    /// <summary>
    /// Least seconds for the memory: a byte read costs what reading costs, a byte written the rest of what a copied pair costs.
    /// </summary>
    public double MemorySeconds(in Work work) =>
        (work.BytesRead / Read) + (work.BytesWritten * Math.Max(0, (2 / Copy) - (1 / Read)));

    /// <summary>Least seconds for both, at once unless the work says otherwise.</summary>
    public double Seconds(in Work work) => work.Sequential
        ? ArithmeticSeconds(work) + MemorySeconds(work)
        : Math.Max(ArithmeticSeconds(work), MemorySeconds(work));
}

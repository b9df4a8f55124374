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

    /// <summary>Products of binary32 with ten bits of fraction, which only tensor cores have.</summary>
    TF32,
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
/// <param name="BytesUpdated">Bytes that are written where they were read, and so counted in both.</param>
/// <param name="Cold">Whether operands rotate through so much memory that no cache holds them.</param>
/// <param name="Sequential">Whether the arithmetic and the memory belong to parts that follow each other.</param>
/// <param name="Moves">Whether what is written is what was read, for which processors have faster ways than stores of results.</param>
internal readonly record struct Work(
    double Operations, Arithmetic Arithmetic, double BytesRead, double BytesWritten, double BytesUpdated = 0, bool Cold = false,
    bool Sequential = false, bool Moves = false)
{
    /// <summary>Bytes read and written.</summary>
    public double Bytes => BytesRead + BytesWritten;

    /// <summary>Bytes of memory that they lie in.</summary>
    public double Footprint => Bytes - BytesUpdated;

    /// <summary>The same traffic as a sum of those that are measured.</summary>
    public Traffic Traffic
    {
        get
        {
            double read = BytesRead - BytesUpdated, written = BytesWritten - BytesUpdated;

            // As many bytes as possible with the same shares read and written as in the work; results that have no operand to
            // be copied from cost what a copied byte costs.
            double triads = Math.Clamp(read - written, 0, written);
            double pairs = written - triads;
            return new Traffic(Math.Max(0, read - written - triads), Math.Min(read, pairs) + pairs, 3 * triads, 2 * BytesUpdated);
        }
    }
}

/// <summary>Bytes read and written, by the way it is done.</summary>
/// <param name="Read">Only read.</param>
/// <param name="Copy">Read and written elsewhere, one to one.</param>
/// <param name="Triad">Read and written elsewhere, two to one.</param>
/// <param name="Update">Read and written in place.</param>
internal readonly record struct Traffic(double Read, double Copy, double Triad, double Update);

/// <summary>Limits of the machine as measured in one round; what was not asked for is infinite.</summary>
/// <param name="Operations">Operations per second of the work's arithmetic.</param>
/// <param name="Read">Bytes per second of reading as much memory as the work does.</param>
/// <param name="Copy">Bytes per second, read and written, of the faster way to copy within so much memory.</param>
/// <param name="Triad">The same of two operands and a result.</param>
/// <param name="Update">The same of results that replace their operands.</param>
internal readonly record struct RoundLimits(double Operations, double Read, double Copy, double Triad, double Update)
{
    /// <summary>The better of two measurements: an interruption of a few milliseconds is no property of the machine.</summary>
    public static RoundLimits Best(in RoundLimits a, in RoundLimits b) => new(
        Math.Max(a.Operations, b.Operations), Math.Max(a.Read, b.Read), Math.Max(a.Copy, b.Copy), Math.Max(a.Triad, b.Triad), Math.Max(a.Update, b.Update));

    /// <summary>Least seconds for the arithmetic.</summary>
    public double ArithmeticSeconds(in Work work) => work.Operations / Operations;

    /// <summary>Least seconds for the memory.</summary>
    public double MemorySeconds(in Work work)
    {
        Traffic traffic = work.Traffic;
        return (traffic.Read / Read) + (traffic.Copy / Copy) + (traffic.Triad / Triad) + (traffic.Update / Update);
    }

    /// <summary>Least seconds for both, at once unless the work says otherwise.</summary>
    public double Seconds(in Work work) => work.Sequential
        ? ArithmeticSeconds(work) + MemorySeconds(work)
        : Math.Max(ArithmeticSeconds(work), MemorySeconds(work));
}

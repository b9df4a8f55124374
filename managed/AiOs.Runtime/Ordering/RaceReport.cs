using System.Globalization;
using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>What is wrong with an access.</summary>
public enum RaceKind
{
    /// <summary>Nothing orders it with an earlier access of the same bytes, and one of the two writes.</summary>
    Unordered,

    /// <summary>The host accesses what work in flight still uses.</summary>
    HostTooEarly,

    /// <summary>The memory was freed while a stream the allocator does not know of still uses it.</summary>
    FreedTooEarly,

    /// <summary>The memory is given out again while work of its earlier owner still uses it.</summary>
    ReusedTooEarly,

    /// <summary>The memory was freed before.</summary>
    AfterFree,

    /// <summary>The memory is not, or not all, part of a block that is allocated.</summary>
    OutOfBounds,
}

/// <summary>One side of a race.</summary>
/// <param name="Operation">What accesses: the function of the kernel table, "copy", "free", "host".</param>
/// <param name="Buffer">Name of the parameter or side; empty when it has none.</param>
/// <param name="IsWrite">True for a write.</param>
/// <param name="Stream">The stream's number; negative for the host.</param>
/// <param name="Stack">Where it was enqueued; with files and lines for the access that found the race.</param>
public sealed record RaceSide(string Operation, string Buffer, bool IsWrite, int Stream, string Stack)
{
    /// <summary>One line without the stack.</summary>
    public override string ToString() =>
        $"{Operation}{(IsWrite ? " writes " : " reads ")}{(Buffer.Length > 0 ? Buffer : "it")} {(Stream < 0 ? "on the host" : $"on stream {Stream.ToString(CultureInfo.InvariantCulture)}")}";
}

/// <summary>A race, or an access of memory that is not allocated.</summary>
/// <param name="Kind">What is wrong.</param>
/// <param name="Second">The access that was made when it was found.</param>
/// <param name="First">The earlier access, the free or the allocation it is in conflict with; null when there is none.</param>
/// <param name="Range">The bytes of the second access.</param>
/// <param name="Start">Address of the first byte that is in conflict.</param>
/// <param name="Bytes">Number of bytes in conflict that begin there.</param>
public sealed record RaceReport(RaceKind Kind, RaceSide Second, RaceSide? First, StridedRange Range, long Start, long Bytes)
{
    private string Problem => Kind switch
    {
        RaceKind.Unordered => $"{Second}, but nothing orders it after the earlier {First}; record an event after that and let the stream wait for it",
        RaceKind.HostTooEarly => $"{Second}, but the earlier {First} may still be running; synchronize first",
        RaceKind.FreedTooEarly => $"the memory is freed, but the earlier {First} may still be running, of which its stream does not know; wait for it first",
        RaceKind.ReusedTooEarly => $"the memory is given out again, but the earlier {First} may still be running",
        RaceKind.AfterFree => $"{Second}, but the memory was freed before{(First?.Operation == RaceDetector.Allocation ? " and given out again" : "")}",
        _ => $"{Second}, which is not all inside an allocated block",
    };

    /// <summary>What is wrong in one line, then both stacks.</summary>
    public override string ToString() =>
        $"{Problem} (0x{Start:x}, {Bytes} bytes in conflict, of {Range})\n{Second.Operation} was called\n{Second.Stack}"
        + (First is null ? "" : $"\n{First.Operation} was called\n{First.Stack}");
}

/// <summary>The race detector found a race; see <see cref="RaceDetector"/>.</summary>
public sealed class RaceException : AiOsException
{
    internal RaceException(RaceReport report)
        : base(report.ToString())
    {
        Report = report;
    }

    /// <summary>What was found.</summary>
    public RaceReport Report { get; }
}

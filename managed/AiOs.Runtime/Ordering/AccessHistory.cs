using System.Diagnostics;
using System.Runtime.InteropServices;
using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>Work that was enqueued, by its stamp in the clock table.</summary>
internal sealed class Operation(string name, int clock, long stamp, StackTrace stack)
{
    public string Name { get; } = name;

    /// <summary>The stream's number in the clock table; <see cref="RaceDetector.Host"/> for the host.</summary>
    public int Clock { get; } = clock;

    public long Stamp { get; } = stamp;

    /// <summary>Where it was enqueued. Without files and lines, which cost more than all the rest.</summary>
    public StackTrace Stack { get; } = stack;

    /// <summary>True once the launcher has refused it: it never ran.</summary>
    public bool IsWithdrawn { get; set; }

    public RaceSide Side(string buffer, bool isWrite) => new(Name, buffer, isWrite, Clock, Text(Stack));

    /// <summary>The frames beyond the detector's own.</summary>
    public static string Text(StackTrace stack) => string.Join('\n', stack.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries)
        .Where(frame => !frame.Contains("AiOs.Runtime.RaceDetector.", StringComparison.Ordinal)
            && !frame.Contains("AiOs.Runtime.LaunchObserver.", StringComparison.Ordinal)
            && !frame.Contains("AiOs.Interop.KernelTableAccesses.", StringComparison.Ordinal)).Select(frame => frame.TrimEnd()));
}

/// <summary>An access of the past.</summary>
internal readonly record struct PastAccess(Operation Operation, RangeAccess Access);

/// <summary>
/// The accesses of one block that something later could be in conflict with. An access is forgotten when it is done, and
/// when a later one that comes after it covers its bytes: whatever comes after that comes after both.
/// </summary>
internal sealed class AccessHistory(ClockTable clocks)
{
    private readonly List<PastAccess> _past = [];

    /// <summary>The accesses so far.</summary>
    public ReadOnlySpan<PastAccess> Past => CollectionsMarshal.AsSpan(_past);

    /// <summary>Finds an earlier access that is in conflict with one that is made now.</summary>
    /// <param name="access">The access.</param>
    /// <param name="clock">Number of its stream, or <see cref="RaceDetector.Host"/>.</param>
    /// <param name="start">Address of the first byte in conflict.</param>
    /// <param name="end">Address behind those that begin there.</param>
    public PastAccess? FindConflict(in RangeAccess access, int clock, out long start, out long end)
    {
        for (int i = _past.Count - 1; i >= 0; i--)
        {
            PastAccess past = _past[i];
            if (past.Operation.IsWithdrawn || clocks.IsDone(past.Operation.Clock, past.Operation.Stamp))
            {
                _past[i] = _past[^1];
                _past.RemoveAt(_past.Count - 1);
            }
            else if ((access.IsWrite || past.Access.IsWrite) && past.Access.Range.Overlaps(access.Range, out start, out end)
                && !IsBefore(past.Operation, clock))
            {
                return past;
            }
        }

        start = end = 0;
        return null;
    }

    /// <summary>Adds an access that is in conflict with none.</summary>
    public void Add(Operation operation, in RangeAccess access)
    {
        for (int i = _past.Count - 1; i >= 0; i--)
        {
            PastAccess past = _past[i];
            if ((access.IsWrite || !past.Access.IsWrite) && access.Range.Covers(past.Access.Range) && IsBefore(past.Operation, operation.Clock))
            {
                _past[i] = _past[^1];
                _past.RemoveAt(_past.Count - 1);
            }
        }

        _past.Add(new PastAccess(operation, access));
    }

    /// <summary>Takes over what another history knows of a range and is not done.</summary>
    public void Inherit(AccessHistory other, long start, long end)
    {
        foreach (PastAccess past in other._past)
        {
            if (!past.Operation.IsWithdrawn && !clocks.IsDone(past.Operation.Clock, past.Operation.Stamp)
                && past.Access.Range.Overlaps(new StridedRange(start, end - start), out _, out _))
            {
                _past.Add(past with { Access = past.Access with { Range = past.Access.Range.Clip(start, end) } });
            }
        }
    }

    private bool IsBefore(Operation past, int clock) =>
        clock == RaceDetector.Host ? clocks.IsDone(past.Clock, past.Stamp) : clocks.IsOrdered(clock, past.Clock, past.Stamp);
}

using System.Diagnostics;
using System.Runtime.InteropServices;
using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>Work that was enqueued, by its stamp in the clock table.</summary>
internal sealed class Operation(string name, int clock, long stamp, VectorClock after, StackTrace stack)
{
    public string Name { get; } = name;

    /// <summary>The stream's number in the clock table; <see cref="RaceDetector.Host"/> for the host.</summary>
    public int Clock { get; } = clock;

    public long Stamp { get; } = stamp;

    /// <summary>What its stream had waited for.</summary>
    public VectorClock After { get; } = after;

    /// <summary>Where it was enqueued. Without files and lines, which cost more than all the rest.</summary>
    public StackTrace Stack { get; } = stack;

    /// <summary>True once the launcher has refused it: it never ran.</summary>
    public bool IsWithdrawn { get; set; }

    /// <summary>True when it is recorded instead of run.</summary>
    public bool IsCaptured { get; set; }

    /// <summary>The node that it becomes when it is captured for a graph; null when that is not watched.</summary>
    public GraphAccesses.Place? Node { get; set; }

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
    /// <param name="operation">What makes it; null for the host.</param>
    /// <param name="start">Address of the first byte in conflict.</param>
    /// <param name="end">Address behind those that begin there.</param>
    public PastAccess? FindConflict(in RangeAccess access, Operation? operation, out long start, out long end)
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
                && !IsOrdered(past.Operation, operation))
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
        Forget(operation, access, isOwn: true);
        _past.Add(new PastAccess(operation, access));
    }

    /// <summary>Forgets what an access stands for from now on: the operation was enqueued.</summary>
    public void Forget(Operation operation, in RangeAccess access) => Forget(operation, access, isOwn: false);

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

    private void Forget(Operation operation, in RangeAccess access, bool isOwn)
    {
        for (int i = _past.Count - 1; i >= 0; i--)
        {
            PastAccess past = _past[i];
            if ((access.IsWrite || !past.Access.IsWrite) && access.Range.Covers(past.Access.Range)
                && (past.Operation == operation) == isOwn && IsBefore(past.Operation, operation))
            {
                _past[i] = _past[^1];
                _past.RemoveAt(_past.Count - 1);
            }
        }
    }

    // What a function of the host accesses is noted when it runs: what was noted before may come after it.
    private bool IsOrdered(Operation past, Operation? operation) =>
        IsBefore(past, operation) || (operation is { Clock: >= 0 } && past.After[operation.Clock] >= operation.Stamp);

    private bool IsBefore(Operation past, Operation? operation) =>
        operation is null || operation.Clock == RaceDetector.Host ? clocks.IsDone(past.Clock, past.Stamp)
            : past.Clock == operation.Clock || operation.After[past.Clock] >= past.Stamp || clocks.IsDone(past.Clock, past.Stamp);
}

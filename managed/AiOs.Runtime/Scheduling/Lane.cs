namespace AiOs.Runtime;

/// <summary>Kinds of work that run beside each other, each on streams of its own.</summary>
public enum Lane
{
    /// <summary>Kernels.</summary>
    Compute,

    /// <summary>Copies from, to and between devices.</summary>
    Copy,

    /// <summary>Collectives.</summary>
    Collective,
}

/// <summary>How a <see cref="StreamScheduler"/> is made.</summary>
public sealed record StreamSchedulerOptions
{
    /// <summary>Streams of the compute lane, 1 or more.</summary>
    public int ComputeStreams { get; init; } = 1;

    /// <summary>Streams of the copy lane, 1 or more.</summary>
    public int CopyStreams { get; init; } = 1;

    /// <summary>Streams of the collective lane, 1 or more. Ranks that run collectives in the same order need exactly 1.</summary>
    public int CollectiveStreams { get; init; } = 1;
}

/// <summary>What a <see cref="StreamScheduler"/> did.</summary>
/// <param name="Operations">Operations that were enqueued.</param>
/// <param name="Dependencies">Pairs of an operation and another stream whose work it had to come after.</param>
/// <param name="Waits">Those of them for which an event was waited for; the others were in order already.</param>
public readonly record struct StreamSchedulerStatistics(long Operations, long Dependencies, long Waits);

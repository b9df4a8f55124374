using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>How urgent a stream's work is when several streams could run.</summary>
public enum StreamPriority
{
    /// <summary>Before all others.</summary>
    High = AiosConstants.AIOS_CPU_PRIORITY_HIGH,

    /// <summary>The usual.</summary>
    Normal = AiosConstants.AIOS_CPU_PRIORITY_NORMAL,

    /// <summary>When nothing else is to be done, and now and then, so that it ends all the same.</summary>
    Low = AiosConstants.AIOS_CPU_PRIORITY_LOW,
}

/// <summary>How a stream is made.</summary>
public sealed record StreamOptions
{
    /// <summary>What traces and reports call the stream; null for its number.</summary>
    public string? Name { get; init; }

    /// <summary>How urgent its work is.</summary>
    public StreamPriority Priority { get; init; }
}

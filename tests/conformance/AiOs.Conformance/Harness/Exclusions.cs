using AiOs.Interop;

namespace AiOs.Conformance.Harness;

/// <summary>
/// What a backend need not support. Whatever is listed must answer AIOS_STATUS_UNIMPLEMENTED: an entry that no longer
/// does is out of date and fails the support matrix.
/// </summary>
public static class Exclusions
{
    /// <summary>One entry; null for a backend or op means every one.</summary>
    private sealed record Entry(string? Backend, string? Op, aios_dtype Type, string Reason);

    /// <summary>Ops whose prototype allows more element types than the two of the general rule.</summary>
    private static readonly (string Op, aios_dtype Type)[] s_more =
        [("aios_fill", aios_dtype.F16), ("aios_fill", aios_dtype.I32), ("aios_cast", aios_dtype.F16)];

    private static readonly Entry[] s_entries =
    [
        new(null, null, aios_dtype.F16, "the header gives this op F32 and BF16 only"),
        new(null, null, aios_dtype.I32, "the header gives this op F32 and BF16 only"),
    ];

    /// <summary>Why the combination is excluded, or null when it must work.</summary>
    public static string? ReasonFor(string backend, string op, aios_dtype type) =>
        s_more.Contains((op, type))
            ? null
            : Array.Find(s_entries, entry => entry.Type == type && (entry.Backend ?? backend) == backend && (entry.Op ?? op) == op)?.Reason;
}

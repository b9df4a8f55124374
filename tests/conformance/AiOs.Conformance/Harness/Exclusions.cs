using AiOs.Interop;

namespace AiOs.Conformance.Harness;

/// <summary>
/// What a backend need not support, and what it is not asked. Whatever is listed must answer AIOS_STATUS_UNIMPLEMENTED: an
/// entry that no longer does is out of date and fails the support matrix.
/// </summary>
public static class Exclusions
{
    private const long LargestSimulated = 1L << 21;

    /// <summary>One entry; null for a backend, op or type means every one.</summary>
    private sealed record Entry(string? Backend, string? Op, aios_dtype? Type, string Reason);

    /// <summary>Ops whose prototype allows more element types than the two of the general rule.</summary>
    private static readonly (string Op, aios_dtype Type)[] s_more =
        [("aios_fill", aios_dtype.F16), ("aios_fill", aios_dtype.I32), ("aios_cast", aios_dtype.F16)];

    private static readonly Entry[] s_entries =
    [
        new(null, null, aios_dtype.F16, "the header gives this op F32 and BF16 only"),
        new(null, null, aios_dtype.I32, "the header gives this op F32 and BF16 only"),
        .. from backend in (string[])["cuda", "cuda-sim"]
           from op in (string[])["aios_gemm_pack", "aios_quantize", "aios_dequantize", "aios_qmatmul"]
           select new Entry(backend, op, null, "there is no CUDA kernel for it yet"),
    ];

    /// <summary>Why the combination is excluded, or null when it must work.</summary>
    /// <param name="backend">The backend.</param>
    /// <param name="op">Name of the C function.</param>
    /// <param name="type">The element type; null for the op as a whole.</param>
    public static string? ReasonFor(string backend, string op, aios_dtype? type = null) =>
        Array.Find(s_entries, entry => (entry.Backend ?? backend) == backend && (entry.Op ?? op) == op && Matches(entry, op, type))?.Reason;

    /// <summary>Elements that the buffers of a case may have altogether: a simulator runs every thread by itself.</summary>
    public static long LargestCase(string backend) => backend == "cuda-sim" ? LargestSimulated : long.MaxValue;

    /// <summary>
    /// Whether the number of workers is the provider's matter. A simulated device orders threads otherwise in every launch,
    /// so that a second run is another course of events in any case.
    /// </summary>
    public static bool HasWorkers(string backend) => backend == "cpu";

    private static bool Matches(Entry entry, string op, aios_dtype? type) =>
        entry.Type is not { } excluded || (excluded == type && !s_more.Contains((op, excluded)));
}

namespace AiOs.Runtime;

/// <summary>What kind of thing a finaliser found.</summary>
internal enum AbandonedKind
{
    /// <summary>A block of the device's memory.</summary>
    Device,

    /// <summary>An event.</summary>
    Event,
}

/// <summary>Something whose owner was collected without Dispose; the device frees it from an ordinary thread.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Handle">Its native handle, unless it is a block.</param>
/// <param name="Block">The block, if it is one.</param>
internal readonly record struct AbandonedResource(AbandonedKind Kind, nint Handle, Allocation Block = default);

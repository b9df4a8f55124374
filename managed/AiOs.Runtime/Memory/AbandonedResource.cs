namespace AiOs.Runtime;

/// <summary>What kind of thing a finaliser found.</summary>
internal enum AbandonedKind
{
    /// <summary>A block of the caching allocator.</summary>
    Device,

    /// <summary>An event.</summary>
    Event,
}

/// <summary>Something whose owner was collected without Dispose; the device frees it from an ordinary thread.</summary>
internal readonly record struct AbandonedResource(AbandonedKind Kind, nint Handle);

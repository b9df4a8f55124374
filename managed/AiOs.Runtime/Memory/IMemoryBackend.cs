namespace AiOs.Runtime;

/// <summary>
/// Where an allocator's memory comes from: one range of addresses, reserved once, behind which memory is put and from
/// which it is taken in pages. So blocks never have to move, and a hole among them gives its pages to another place.
/// </summary>
internal interface IMemoryBackend
{
    /// <summary>Address of the range, a multiple of <see cref="Granularity"/>.</summary>
    nint Base { get; }

    /// <summary>Size of the range in bytes, a multiple of <see cref="Granularity"/>.</summary>
    long Capacity { get; }

    /// <summary>Size of a page in bytes: a power of two of at least 512.</summary>
    long Granularity { get; }

    /// <summary>Puts memory behind a part of the range that has none; false when the device has none left.</summary>
    /// <param name="offset">Start of the part within the range, a multiple of <see cref="Granularity"/>.</param>
    /// <param name="bytes">Its size, a multiple of <see cref="Granularity"/>.</param>
    bool TryMap(long offset, long bytes);

    /// <summary>Takes the memory of a part back; no work that uses it may still be to run.</summary>
    void Unmap(long offset, long bytes);

    /// <summary>Ends the reservation, whatever is mapped.</summary>
    void Release();
}

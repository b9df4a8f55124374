namespace AiOs.Runtime;

/// <summary>Where an allocator's segments come from, and what it must know about the streams that use them.</summary>
internal interface IMemorySource
{
    /// <summary>Reserves memory of the device; false when it has none left.</summary>
    bool TryReserve(long bytes, out nint address);

    /// <summary>Gives memory back to the device.</summary>
    void Release(nint address, long bytes);

    /// <summary>True when no work of the pool's stream is still to run.</summary>
    bool IsDrained(int pool);
}

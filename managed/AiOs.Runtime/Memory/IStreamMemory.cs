namespace AiOs.Runtime;

/// <summary>What the layers that check blocks do with their bytes, in the order of a block's stream.</summary>
internal interface IStreamMemory
{
    /// <summary>Enqueues setting bytes.</summary>
    void Fill(int stream, nint address, byte value, long bytes);

    /// <summary>
    /// Copies bytes to the host after all work of the stream; false when it has failed or is being captured, and nothing was copied.
    /// </summary>
    bool TryRead(int stream, nint address, Span<byte> destination);
}

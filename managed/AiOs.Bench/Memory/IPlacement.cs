namespace AiOs.Bench.Memory;

/// <summary>A way of placing the blocks of a trace in memory, without any memory.</summary>
internal interface IPlacement
{
    /// <summary>Name of the policy.</summary>
    string Name { get; }

    /// <summary>Bytes taken from the device now.</summary>
    long ReservedBytes { get; }

    /// <summary>Places a block and returns where it begins.</summary>
    long Allocate(int id, long bytes, int stream);

    /// <summary>Takes a block back.</summary>
    void Free(int id, int stream);
}

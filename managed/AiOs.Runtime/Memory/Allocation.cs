namespace AiOs.Runtime;

/// <summary>
/// A block of device memory: its address, and where the allocator finds its bookkeeping. The generation tells it from a
/// later block in the same place, so freeing it twice, or after a copy of it was freed, is noticed.
/// </summary>
public readonly record struct Allocation
{
    internal Allocation(nint address, int index, uint generation)
    {
        Address = address;
        Index = index;
        Generation = generation;
    }

    /// <summary>Address on the device, a multiple of 512; 0 in the default value, which is no block.</summary>
    public nint Address { get; internal init; }

    internal int Index { get; }

    internal uint Generation { get; }
}

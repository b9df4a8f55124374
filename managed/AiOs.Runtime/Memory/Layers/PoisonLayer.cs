namespace AiOs.Runtime;

/// <summary>
/// Sets every byte of a block that is freed to 0xFF, which makes every floating-point number in it a NaN: what is still
/// read from it is noticed. The block's stream first waits for other streams that use it.
/// </summary>
internal sealed class PoisonLayer(Allocator inner, IStreamMemory memory) : AllocatorLayer(inner)
{
    /// <summary>The value of every byte of a freed block.</summary>
    public const byte Value = 0xFF;

    /// <inheritdoc/>
    public override void Free(Allocation block)
    {
        RegionInfo region = Inner.Find(block);
        Inner.WaitForUses(block);
        memory.Fill(region.Stream, region.Address, Value, region.Size);
        Inner.Free(block);
    }
}

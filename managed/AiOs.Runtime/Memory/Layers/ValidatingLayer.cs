namespace AiOs.Runtime;

/// <summary>Walks all structures of the pool after every operation.</summary>
internal sealed class ValidatingLayer(Allocator inner, PoolAllocator pool) : AllocatorLayer(inner)
{
    /// <inheritdoc/>
    public override Allocation Allocate(long bytes, int stream)
    {
        Allocation block = Inner.Allocate(bytes, stream);
        pool.Validate();
        return block;
    }

    /// <inheritdoc/>
    public override void Free(Allocation block)
    {
        Inner.Free(block);
        pool.Validate();
    }

    /// <inheritdoc/>
    public override void NoteUse(Allocation block, int stream)
    {
        Inner.NoteUse(block, stream);
        pool.Validate();
    }
}

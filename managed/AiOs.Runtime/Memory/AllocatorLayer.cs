namespace AiOs.Runtime;

/// <summary>An allocator on top of another one: what it does not change goes straight through.</summary>
internal abstract class AllocatorLayer(Allocator inner) : Allocator
{
    /// <summary>The allocator below.</summary>
    protected Allocator Inner { get; } = inner;

    /// <inheritdoc/>
    public override Allocation Allocate(long bytes, int stream) => Inner.Allocate(bytes, stream);

    /// <inheritdoc/>
    public override void Free(Allocation block) => Inner.Free(block);

    /// <inheritdoc/>
    public override void NoteUse(Allocation block, int stream) => Inner.NoteUse(block, stream);

    /// <inheritdoc/>
    public override void WaitForUses(Allocation block) => Inner.WaitForUses(block);

    /// <inheritdoc/>
    public override RegionInfo Find(Allocation block) => View(Inner.Find(block));

    /// <inheritdoc/>
    public override List<RegionInfo> Regions() => Inner.Regions().ConvertAll(View);

    /// <summary>A region of the allocator below as this layer's user sees it.</summary>
    protected virtual RegionInfo View(RegionInfo region) => region;
}

using System.Collections.Concurrent;

namespace AiOs.Runtime;

/// <summary>Records the stack of every allocation.</summary>
internal sealed class TrackingLayer(Allocator inner) : AllocatorLayer(inner)
{
    private readonly ConcurrentDictionary<int, CallStack> _stacks = new();

    /// <inheritdoc/>
    public override Allocation Allocate(long bytes, int stream)
    {
        Allocation block = Inner.Allocate(bytes, stream);
        _stacks[block.Index] = CallStack.Capture(1);
        return block;
    }

    /// <inheritdoc/>
    protected override RegionInfo View(RegionInfo region) =>
        region.State == RegionState.Live ? region with { Stack = _stacks.GetValueOrDefault(region.Index) } : region;
}

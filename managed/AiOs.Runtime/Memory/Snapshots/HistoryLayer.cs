using System.Collections.Concurrent;

namespace AiOs.Runtime;

/// <summary>
/// Records what is given out and taken back, and where. A block is recorded as taken back before it is, and as given out
/// afterwards, so that the events of an address are in their order whichever threads they come from.
/// </summary>
internal sealed class HistoryLayer(Allocator inner, MemoryHistory history) : AllocatorLayer(inner)
{
    private readonly ConcurrentDictionary<int, CallStack> _stacks = new();

    /// <summary>Where the block in a region was allocated.</summary>
    public CallStack? StackOf(in RegionInfo region) => _stacks.GetValueOrDefault(region.Index);

    /// <inheritdoc/>
    public override Allocation Allocate(long bytes, int stream)
    {
        CallStack stack = CallStack.Capture(1);
        try
        {
            Allocation block = Inner.Allocate(bytes, stream);
            RegionInfo region = Inner.Find(block);
            _stacks[region.Index] = stack;
            history.Add(MemoryAction.Allocate, region.Address, region.Size, bytes, stream, stack);
            return block;
        }
        catch (DeviceOutOfMemoryException)
        {
            history.Add(MemoryAction.OutOfMemory, 0, 0, bytes, stream, stack);
            throw;
        }
    }

    /// <inheritdoc/>
    public override void Free(Allocation block)
    {
        RegionInfo region = Inner.Find(block);
        history.Add(MemoryAction.Free, region.Address, region.Size, region.Requested, region.Stream, CallStack.Capture(1));
        Inner.Free(block);
    }
}

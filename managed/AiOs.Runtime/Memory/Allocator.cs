namespace AiOs.Runtime;

/// <summary>
/// Gives out blocks of a device's memory to streams, which are numbers of the device's <see cref="ClockTable"/>. The pool
/// is one; the others are layers on top of it, each with one purpose.
/// </summary>
internal abstract class Allocator
{
    /// <summary>Gives out a block; the default value when there is no memory left.</summary>
    public abstract Allocation Allocate(long bytes, int stream);

    /// <summary>Takes a block back. Work already enqueued that is known to use it still finds it.</summary>
    /// <exception cref="ArgumentException">The block is not in use: it was freed before.</exception>
    public abstract void Free(Allocation block);

    /// <summary>Notes that a stream other than the block's own has just been given work that uses it.</summary>
    /// <exception cref="ArgumentException">The block is not in use.</exception>
    public abstract void NoteUse(Allocation block, int stream);

    /// <summary>Makes a block's own stream wait for the other streams that use it.</summary>
    /// <exception cref="ArgumentException">The block is not in use.</exception>
    public abstract void WaitForUses(Allocation block);

    /// <summary>The region of a block in use.</summary>
    /// <exception cref="ArgumentException">The block is not in use.</exception>
    public abstract RegionInfo Find(Allocation block);

    /// <summary>All regions that have memory behind them, by address.</summary>
    public abstract List<RegionInfo> Regions();
}

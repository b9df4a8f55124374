namespace AiOs.Runtime;

/// <summary>Tells the race detector what is given out and taken back: both count as writes.</summary>
internal sealed class RaceLayer(Allocator inner, RaceDetector races) : AllocatorLayer(inner)
{
    /// <inheritdoc/>
    /// <exception cref="RaceException">Work of an earlier owner still uses the block.</exception>
    public override Allocation Allocate(long bytes, int stream)
    {
        Allocation block = Inner.Allocate(bytes, stream);
        try
        {
            races.Allocated(block.Address, bytes, stream);
        }
        catch (RaceException)
        {
            races.Collected(block.Address, stream); // Nobody gets the block.
            Inner.Free(block);
            throw;
        }

        return block;
    }

    /// <inheritdoc/>
    /// <exception cref="RaceException">Work that was not noted still uses the block.</exception>
    public override void Free(Allocation block)
    {
        RegionInfo region = Inner.Find(block);
        if (region.Shared)
        {
            races.Collected(region.Address, region.Stream); // The allocator waits for the uses that it knows.
        }
        else
        {
            races.Freed(region.Address, region.Stream);
        }

        Inner.Free(block);
    }
}

using System.Collections.Immutable;

namespace AiOs.Runtime;

/// <summary>Makes a snapshot of an allocator's regions: a run of them without a gap is a segment.</summary>
internal static class SnapshotBuilder
{
    /// <summary>The segments of regions that are sorted by address.</summary>
    /// <param name="regions">The regions that have memory behind them.</param>
    /// <param name="stackOf">Where a region in use was allocated.</param>
    public static ImmutableArray<MemorySegment> Segments(IEnumerable<RegionInfo> regions, Func<RegionInfo, CallStack?> stackOf)
    {
        ImmutableArray<MemorySegment>.Builder segments = ImmutableArray.CreateBuilder<MemorySegment>();
        ImmutableArray<MemoryBlock>.Builder blocks = ImmutableArray.CreateBuilder<MemoryBlock>();
        foreach (RegionInfo region in regions)
        {
            if (blocks.Count > 0 && blocks[^1].Address + (nint)blocks[^1].Bytes != region.Address)
            {
                End();
            }

            bool live = region.State == RegionState.Live;
            MemoryBlockState state = live ? MemoryBlockState.Allocated : region.State == RegionState.Parked ? MemoryBlockState.PendingFree : MemoryBlockState.Free;
            blocks.Add(new MemoryBlock(
                region.Address, region.Size, live ? region.Requested : 0, state, region.Stream, state == MemoryBlockState.Free ? null : stackOf(region)));
        }

        End();
        return segments.ToImmutable();

        void End()
        {
            if (blocks.Count > 0)
            {
                segments.Add(new MemorySegment(blocks[0].Address, blocks.Sum(block => block.Bytes), blocks.ToImmutable()));
                blocks.Clear();
            }
        }
    }
}

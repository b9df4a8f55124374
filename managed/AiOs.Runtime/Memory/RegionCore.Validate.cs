namespace AiOs.Runtime;

/// <summary>The walk that says whether a core's structures agree.</summary>
internal sealed partial class RegionCore
{
    /// <summary>Walks all structures; throws <see cref="InvalidOperationException"/> when one contradicts another.</summary>
    public void Validate()
    {
        long offset = 0, mapped = 0, taken = 0;
        int previous = -1, free = 0, unmapped = 0;
        for (int index = First; index >= 0; previous = index, index = _regions[index].Next)
        {
            ref Region region = ref _regions[index];
            Require(region.Offset == offset && region.Previous == previous, "regions have no gaps");
            Require(region.Size > 0 && region.Size % SizeClasses.Unit == 0, "sizes are whole units");
            Require(region.State != RegionState.Unused, "the entry of a region is in use");
            bool loose = region.State is RegionState.Free or RegionState.Unmapped;
            Require(previous < 0 || !loose || !IsLike(previous, index), "like neighbours are one region");
            offset += region.Size;
            mapped += region.State == RegionState.Unmapped ? 0 : region.Size;
            taken += loose ? 0 : region.Size;
            free += region.State == RegionState.Free ? 1 : 0;
            unmapped += region.State == RegionState.Unmapped ? 1 : 0;
            if (region.State == RegionState.Unmapped)
            {
                Require((region.Offset | region.Size) % _backend.Granularity == 0, "addresses without memory are whole pages");
            }
        }

        Require(offset == _backend.Capacity, "regions fill the range");
        Require(mapped == MappedBytes && taken == TakenBytes, "bytes are as counted");
        for (int stream = 0; stream < _free.Count; stream++)
        {
            free -= CountIndexed(_free[stream], RegionState.Free, stream);
        }

        unmapped -= CountIndexed(_unmapped, RegionState.Unmapped, 0);
        Require(free == 0 && unmapped == 0, "every free region is in the index of its stream");
    }

    private static void Require(bool holds, string what)
    {
        if (!holds)
        {
            throw new InvalidOperationException($"allocator invariant broken: {what}");
        }
    }

    private int CountIndexed(FreeIndex index, RegionState state, int stream)
    {
        int count = 0, previous = -1;
        for (int region = index.First(0); region >= 0; previous = region, region = index.After(region))
        {
            ref Region entry = ref _regions[region];
            Require(entry.State == state && entry.Stream == stream, "an index holds free regions of its stream only");
            Require(entry.ListPrevious < 0 ? previous < 0 || _regions[previous].ListNext < 0 : entry.ListPrevious == previous, "lists are linked both ways");
            count++;
        }

        return count;
    }
}

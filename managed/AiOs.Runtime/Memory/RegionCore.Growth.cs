namespace AiOs.Runtime;

/// <summary>How a core gets memory that the asking stream's own index does not have, and how it gives memory back.</summary>
internal sealed partial class RegionCore
{
    /// <summary>
    /// A run of neighbouring regions, all unmapped or free to the asking stream, that can be made a block.
    /// </summary>
    /// <param name="Start">Its first region; -1 when there is no such run.</param>
    /// <param name="Offset">Where it starts.</param>
    /// <param name="NewBytes">Bytes that have to be mapped.</param>
    /// <param name="Surplus">Bytes by which the regions are longer than the block.</param>
    public readonly record struct Window(int Start, long Offset, long NewBytes, long Surplus);

    /// <summary>Finds the window that needs the least new memory, and among those the one with the least surplus.</summary>
    public Window FindWindow(long size, int stream)
    {
        var best = new Window(-1, 0, long.MaxValue, long.MaxValue);
        foreach (FreeIndex free in _free)
        {
            Consider(free, size, stream, ref best);
        }

        Consider(_unmapped, size, stream, ref best);
        return best;
    }

    /// <summary>Makes a block of a window; -1 when the device has no memory for it.</summary>
    public int Take(Window window, long size, int stream)
    {
        long end = window.Offset + size;
        int index = Claim(window.Start, end, stream);
        while (index >= 0 && _regions[index].Offset + _regions[index].Size < end)
        {
            index = Claim(_regions[index].Next, end, stream);
        }

        return index < 0 ? -1 : Carve(index, size);
    }

    /// <summary>
    /// Bytes that must be taken from holes so that, after a block of <paramref name="size"/> bytes has been made with
    /// <paramref name="newBytes"/> more mapped, no more is mapped than was ever in use at such a moment, and the slack.
    /// </summary>
    public long Excess(long size, long newBytes)
    {
        _peakTaken = Math.Max(_peakTaken, TakenBytes + size);
        long allowed = _peakTaken + Math.Max((long)Math.Min(_slack * _peakTaken, _backend.Capacity), 2 * _backend.Granularity);
        return Math.Clamp(MappedBytes + newBytes - allowed, 0, newBytes);
    }

    /// <summary>
    /// Takes memory from whole free pages whose last work is done, the largest regions first.
    /// </summary>
    /// <param name="bytes">How much is wanted.</param>
    /// <param name="spared">Nothing is taken from the <paramref name="sparedBytes"/> bytes from here on.</param>
    /// <param name="sparedBytes">Size of what is spared.</param>
    /// <param name="pending">Bytes that could be taken as well once the work of their streams is done.</param>
    /// <returns>Bytes taken.</returns>
    public long Reclaim(long bytes, long spared, long sparedBytes, out long pending)
    {
        JoinSharedPages();
        long taken = 0;
        pending = 0;
        while (taken < bytes && LargestPages(spared, sparedBytes, ref pending) is var (index, start, end) && index >= 0)
        {
            long part = RoundToPages(Math.Min(end - start, bytes - taken));
            UnmapPart(index, end - part, part);
            taken += part;
        }

        return taken;
    }

    private void Consider(FreeIndex starts, long size, int stream, ref Window best)
    {
        for (int start = starts.First(0); start >= 0; start = starts.After(start))
        {
            if (!IsOpen(start, stream))
            {
                continue;
            }

            long offset = _regions[start].Offset, found = 0, newBytes = 0;
            for (int index = start; index >= 0 && found < size && newBytes <= best.NewBytes && IsOpen(index, stream); index = _regions[index].Next)
            {
                ref Region region = ref _regions[index];
                newBytes += region.State == RegionState.Unmapped ? Math.Min(region.Size, RoundToPages(size - found)) : 0;
                found += region.Size;
            }

            if (found >= size && (newBytes, found - size).CompareTo((best.NewBytes, best.Surplus)) < 0)
            {
                best = new Window(start, offset, newBytes, found - size);
            }
        }
    }

    /// <summary>True for addresses without memory and for free memory that the stream may use from now on.</summary>
    private bool IsOpen(int index, int stream)
    {
        ref Region region = ref _regions[index];
        return region.State == RegionState.Unmapped
            || (region.State == RegionState.Free && _clocks.IsOrdered(stream, region.Stream, region.Stamp));
    }

    /// <summary>Makes an open region, as far as <paramref name="end"/>, free memory of the stream.</summary>
    /// <returns>The region that it is a part of now; -1 when the device has no memory for it.</returns>
    private int Claim(int index, long end, int stream)
    {
        ref Region region = ref _regions[index];
        if (region.State == RegionState.Unmapped)
        {
            long bytes = Math.Min(region.Size, RoundToPages(end - region.Offset));
            if (!_backend.TryMap(region.Offset, bytes))
            {
                return -1;
            }

            MappedBytes += bytes;
            PeakMappedBytes = Math.Max(PeakMappedBytes, MappedBytes);
            Maps++;
            _unmapped.Remove(index);
            if (region.Size > bytes)
            {
                _unmapped.Add(Cut(index, bytes));
            }

            region.Stream = stream;
            return Insert(index);
        }

        if (region.Stream == stream)
        {
            return index;
        }

        FreeIndex owner = _free[region.Stream];
        owner.Remove(index);
        if (region.Offset + region.Size > end)
        {
            owner.Add(Cut(index, end - region.Offset));
        }

        // What the stream is given from now on comes after the work of the old owner, so its own stamp covers both.
        region.Stamp = IsDone(index) ? 0 : _clocks.Pending(stream);
        region.Stream = stream;
        return Insert(index);
    }

    /// <summary>
    /// Pages that are free but of several streams, whose work is all done, go to the first of them: whole, they can be taken.
    /// </summary>
    private void JoinSharedPages()
    {
        foreach (FreeIndex free in _free)
        {
            int following;
            for (int index = free.First(0); index >= 0; index = following)
            {
                following = free.After(index);
                ref Region region = ref _regions[index];
                int previous = region.Previous;
                if (region.Offset % _backend.Granularity != 0 && previous >= 0 && _regions[previous].State == RegionState.Free
                    && IsDone(index) && IsDone(previous))
                {
                    free.Remove(index);
                    region.Stream = _regions[previous].Stream;
                    region.Stamp = 0;
                    Insert(index);
                }
            }
        }
    }

    private bool IsDone(int index) => _clocks.IsDone(_regions[index].Stream, _regions[index].Stamp);

    /// <summary>The free region with the most whole pages that may be taken, and those pages; -1 when there is none.</summary>
    private (int Index, long Start, long End) LargestPages(long spared, long sparedBytes, ref long pending)
    {
        (int Index, long Start, long End) best = (-1, 0, 0);
        pending = 0;
        int pageClass = SizeClasses.IndexOf(_backend.Granularity);
        foreach (FreeIndex free in _free)
        {
            for (int index = free.First(pageClass); index >= 0; index = free.After(index))
            {
                ref Region region = ref _regions[index];
                long start = RoundToPages(region.Offset);
                long end = (region.Offset + region.Size) & -_backend.Granularity;
                if (end <= start || (region.Offset < spared + sparedBytes && spared < region.Offset + region.Size))
                {
                    continue;
                }

                if (!IsDone(index))
                {
                    pending += end - start;
                }
                else if (end - start > best.End - best.Start)
                {
                    best = (index, start, end);
                }
            }
        }

        return best;
    }

    private void UnmapPart(int index, long offset, long bytes)
    {
        ref Region region = ref _regions[index];
        FreeIndex owner = _free[region.Stream];
        owner.Remove(index);
        if (region.Offset + region.Size > offset + bytes)
        {
            owner.Add(Cut(index, offset + bytes - region.Offset));
        }

        int part = index;
        if (region.Offset < offset)
        {
            part = Cut(index, offset - region.Offset);
            owner.Add(index);
        }

        _backend.Unmap(offset, bytes);
        MappedBytes -= bytes;
        Unmaps++;
        InsertUnmapped(part);
    }

    private long RoundToPages(long bytes) => (bytes + _backend.Granularity - 1) & -_backend.Granularity;
}

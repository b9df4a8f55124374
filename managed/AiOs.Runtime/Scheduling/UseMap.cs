namespace AiOs.Runtime;

/// <summary>
/// For each byte, by which stream it was written last and by which it was read since, as disjoint segments in order of
/// address. Uses are stamps of the <see cref="ClockTable"/>; of each stream only the last counts, because it comes after
/// the others.
/// </summary>
internal sealed class UseMap
{
    private const int NoStream = -1;

    private Segment[] _segments = new Segment[64];
    private long[] _reads = [];
    private int[] _freeSlots = new int[64];
    private int _freeCount, _slots, _width;

    /// <summary>Number of segments.</summary>
    public int Count { get; private set; }

    /// <summary>Raises, for each stream, the stamp that an access has to come after.</summary>
    /// <param name="start">Address of the first byte.</param>
    /// <param name="end">Address behind the last byte.</param>
    /// <param name="isWrite">Whether the access writes; it then comes after reads too.</param>
    /// <param name="after">Stamps by stream.</param>
    public void Require(long start, long end, bool isWrite, Span<long> after)
    {
        for (int i = FirstEndingAfter(start); start < end && i < Count && _segments[i].Start < end; i++)
        {
            ref Segment segment = ref _segments[i];
            if (segment.Writer != NoStream)
            {
                after[segment.Writer] = Math.Max(after[segment.Writer], segment.WriteStamp);
            }

            for (int stream = 0; isWrite && stream < _width; stream++)
            {
                after[stream] = Math.Max(after[stream], _reads[(segment.Slot * _width) + stream]);
            }
        }
    }

    /// <summary>Notes an access.</summary>
    /// <param name="start">Address of the first byte.</param>
    /// <param name="end">Address behind the last byte.</param>
    /// <param name="isWrite">Whether it writes.</param>
    /// <param name="stream">Number of the stream.</param>
    /// <param name="stamp">The stamp.</param>
    public void Note(long start, long end, bool isWrite, int stream, long stamp)
    {
        if (start >= end)
        {
            return;
        }

        Widen(stream + 1);
        Cut(start);
        Cut(end);
        int first = FirstEndingAfter(start);
        if (isWrite)
        {
            int behind = first;
            while (behind < Count && _segments[behind].Start < end)
            {
                Free(_segments[behind++].Slot);
            }

            Remove(first, behind - first);
            Insert(first, new Segment(start, end, stream, stamp, NewSlot()));
            return;
        }

        long at = start;
        int i = first;
        for (; at < end; i++)
        {
            long next = i < Count ? Math.Min(end, _segments[i].Start) : end;
            if (at < next)
            {
                Insert(i, new Segment(at, next, NoStream, 0, NewSlot()));
            }

            ref long read = ref _reads[(_segments[i].Slot * _width) + stream];
            read = Math.Max(read, stamp);
            at = _segments[i].End;
        }

        Merge(Math.Max(1, first), Math.Min(Count - 1, i));
    }

    /// <summary>Forgets segments all of whose uses are done.</summary>
    public void Prune(ClockTable clocks, ReadOnlySpan<int> clockOf)
    {
        int kept = 0;
        for (int i = 0; i < Count; i++)
        {
            Segment segment = _segments[i];
            bool isDone = segment.Writer == NoStream || clocks.IsDone(clockOf[segment.Writer], segment.WriteStamp);
            for (int stream = 0; isDone && stream < _width; stream++)
            {
                isDone = clocks.IsDone(clockOf[stream], _reads[(segment.Slot * _width) + stream]);
            }

            if (isDone)
            {
                Free(segment.Slot);
            }
            else
            {
                _segments[kept++] = segment;
            }
        }

        Count = kept;
    }

    // Makes an address the border of two segments when it is inside one.
    private void Cut(long address)
    {
        int i = FirstEndingAfter(address);
        if (i < Count && _segments[i].Start < address)
        {
            Segment whole = _segments[i];
            int slot = NewSlot();
            Array.Copy(_reads, whole.Slot * _width, _reads, slot * _width, _width);
            _segments[i].End = address;
            Insert(i + 1, new Segment(address, whole.End, whole.Writer, whole.WriteStamp, slot));
        }
    }

    // Joins neighbours of the same uses, so that reads of parts do not cut memory up for good.
    private void Merge(int first, int last)
    {
        for (int i = last; i >= first; i--)
        {
            ref Segment left = ref _segments[i - 1];
            ref Segment right = ref _segments[i];
            if (left.End == right.Start && left.Writer == right.Writer && left.WriteStamp == right.WriteStamp
                && _reads.AsSpan(left.Slot * _width, _width).SequenceEqual(_reads.AsSpan(right.Slot * _width, _width)))
            {
                left.End = right.End;
                Free(right.Slot);
                Remove(i, 1);
            }
        }
    }

    private int FirstEndingAfter(long address)
    {
        int low = 0, high = Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_segments[middle].End > address)
            {
                high = middle;
            }
            else
            {
                low = middle + 1;
            }
        }

        return low;
    }

    private void Insert(int index, Segment segment)
    {
        if (Count == _segments.Length)
        {
            Array.Resize(ref _segments, 2 * Count);
        }

        Array.Copy(_segments, index, _segments, index + 1, Count - index);
        _segments[index] = segment;
        Count++;
    }

    private void Remove(int index, int count)
    {
        Array.Copy(_segments, index + count, _segments, index, Count - index - count);
        Count -= count;
    }

    private int NewSlot()
    {
        int slot = _freeCount > 0 ? _freeSlots[--_freeCount] : _slots++;
        if ((slot + 1) * _width > _reads.Length)
        {
            Array.Resize(ref _reads, Math.Max(64, 2 * (slot + 1)) * _width);
        }

        _reads.AsSpan(slot * _width, _width).Clear();
        return slot;
    }

    private void Free(int slot)
    {
        if (_freeCount == _freeSlots.Length)
        {
            Array.Resize(ref _freeSlots, 2 * _freeCount);
        }

        _freeSlots[_freeCount++] = slot;
    }

    // Makes room for the reads of more streams.
    private void Widen(int streams)
    {
        if (streams <= _width)
        {
            return;
        }

        long[] reads = new long[Math.Max(64, 2 * _slots) * streams];
        for (int slot = 0; slot < _slots; slot++)
        {
            Array.Copy(_reads, slot * _width, reads, slot * streams, _width);
        }

        (_reads, _width) = (reads, streams);
    }

    private record struct Segment(long Start, long End, int Writer, long WriteStamp, int Slot);
}

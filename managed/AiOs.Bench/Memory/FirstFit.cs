namespace AiOs.Bench.Memory;

/// <summary>
/// Address-ordered first fit with merging of free neighbours (Knuth, "The Art of Computer Programming" 2.5, algorithm
/// A): a heap per stream, which grows at its end in pages of 2 MiB and never shrinks. Sizes are multiples of 512 bytes.
/// </summary>
internal sealed class FirstFit : IPlacement
{
    private const long Unit = 512, Page = 2 << 20, HeapDistance = 1L << 44;

    private readonly Dictionary<int, Heap> _heaps = [];
    private readonly Dictionary<int, (Heap Heap, long Start, long Bytes)> _blocks = [];

    public string Name => "first_fit";

    public long ReservedBytes => _heaps.Values.Sum(heap => heap.Pages * Page);

    public long Allocate(int id, long bytes, int stream)
    {
        if (!_heaps.TryGetValue(stream, out Heap? heap))
        {
            _heaps.Add(stream, heap = new Heap());
        }

        long size = Math.Max(Unit, (bytes + Unit - 1) / Unit * Unit);
        long start = heap.Take(size);
        _blocks.Add(id, (heap, start, size));
        return stream * HeapDistance + start;
    }

    /// <summary>The block goes back to the heap it came from, whatever stream frees it.</summary>
    public void Free(int id, int stream)
    {
        _blocks.Remove(id, out (Heap Heap, long Start, long Bytes) block);
        block.Heap.Give(block.Start, block.Bytes);
    }

    private sealed class Heap
    {
        private readonly List<(long Start, long Bytes)> _free = [];
        private long _end;

        public long Pages { get; private set; }

        public long Take(long bytes)
        {
            int hole = _free.FindIndex(free => free.Bytes >= bytes);
            if (hole >= 0)
            {
                (long start, long room) = _free[hole];
                if (room == bytes)
                {
                    _free.RemoveAt(hole);
                }
                else
                {
                    _free[hole] = (start + bytes, room - bytes);
                }

                return start;
            }

            long begin = _end;
            if (_free.Count > 0 && _free[^1].Start + _free[^1].Bytes == _end)
            {
                begin = _free[^1].Start;
                _free.RemoveAt(_free.Count - 1);
            }

            _end = begin + bytes;
            Pages = Math.Max(Pages, (_end + Page - 1) / Page);
            return begin;
        }

        public void Give(long start, long bytes)
        {
            int next = _free.FindIndex(free => free.Start > start);
            next = next < 0 ? _free.Count : next;
            if (next < _free.Count && start + bytes == _free[next].Start)
            {
                bytes += _free[next].Bytes;
                _free.RemoveAt(next);
            }

            if (next > 0 && _free[next - 1].Start + _free[next - 1].Bytes == start)
            {
                _free[next - 1] = (_free[next - 1].Start, _free[next - 1].Bytes + bytes);
            }
            else
            {
                _free.Insert(next, (start, bytes));
            }
        }
    }
}

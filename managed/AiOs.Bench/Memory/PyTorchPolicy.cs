namespace AiOs.Bench.Memory;

/// <summary>
/// Where PyTorch's CUDACachingAllocator with its default settings puts blocks: sizes are multiples of 512 bytes; requests
/// up to 1 MiB come out of segments of 2 MiB, up to 10 MiB out of segments of 20 MiB, larger ones out of segments of their
/// own size in steps of 2 MiB; best fit within the pool of the stream; a small block is always split, a large one when more
/// than 1 MiB is left; free neighbours are merged, and segments are kept.
/// </summary>
internal sealed class PyTorchPolicy : IPlacement
{
    private const long Unit = 512, Small = 1 << 20, SmallSegment = 2 << 20, Medium = 10 << 20, MediumSegment = 20 << 20, Step = 2 << 20;

    private readonly Dictionary<(int Stream, bool Small), SortedSet<Block>> _pools = [];
    private readonly Dictionary<int, Block> _blocks = [];
    private long _nextSegment;

    public string Name => "pytorch";

    public long ReservedBytes { get; private set; }

    public long Allocate(int id, long bytes, int stream)
    {
        long size = Math.Max(Unit, (bytes + Unit - 1) / Unit * Unit);
        bool small = size <= Small;
        if (!_pools.TryGetValue((stream, small), out SortedSet<Block>? pool))
        {
            _pools.Add((stream, small), pool = new SortedSet<Block>(BySizeThenAddress));
        }

        Block block = pool.GetViewBetween(new Block { Bytes = size, Start = -1, Pool = pool }, Greatest).FirstOrDefault() is { } fit
            ? fit
            : Reserve(pool, small ? SmallSegment : size < Medium ? MediumSegment : (size + Step - 1) / Step * Step);
        pool.Remove(block);
        long rest = block.Bytes - size;
        if (small ? rest >= Unit : rest > Small)
        {
            var cut = new Block { Start = block.Start + size, Bytes = rest, Pool = pool, Previous = block, Next = block.Next, IsFree = true };
            if (block.Next is not null)
            {
                block.Next.Previous = cut;
            }

            block.Next = cut;
            block.Bytes = size;
            pool.Add(cut);
        }

        block.IsFree = false;
        _blocks.Add(id, block);
        return block.Start;
    }

    /// <summary>The block goes back to its pool, whatever stream frees it: as if that stream's work had run.</summary>
    public void Free(int id, int stream)
    {
        _blocks.Remove(id, out Block? block);
        if (block!.Next is { IsFree: true } next)
        {
            block.Pool.Remove(next);
            Absorb(block, next);
        }

        if (block.Previous is { IsFree: true } previous)
        {
            block.Pool.Remove(previous);
            Absorb(previous, block);
            block = previous;
        }

        block.IsFree = true;
        block.Pool.Add(block);
    }

    private static Block Greatest { get; } = new() { Bytes = long.MaxValue, Start = long.MaxValue, Pool = null! };

    private static Comparer<Block> BySizeThenAddress { get; } =
        Comparer<Block>.Create((a, b) => a.Bytes != b.Bytes ? a.Bytes.CompareTo(b.Bytes) : a.Start.CompareTo(b.Start));

    private static void Absorb(Block block, Block next)
    {
        block.Bytes += next.Bytes;
        block.Next = next.Next;
        if (block.Next is not null)
        {
            block.Next.Previous = block;
        }
    }

    private Block Reserve(SortedSet<Block> pool, long bytes)
    {
        var block = new Block { Start = _nextSegment, Bytes = bytes, Pool = pool };
        _nextSegment += bytes + Step; // A gap, so that nobody takes two segments for neighbours.
        ReservedBytes += bytes;
        return block;
    }

    private sealed class Block
    {
        public required long Start { get; init; }

        public required long Bytes { get; set; }

        public required SortedSet<Block> Pool { get; init; }

        public Block? Previous { get; set; }

        public Block? Next { get; set; }

        public bool IsFree { get; set; }
    }
}

using System.Numerics;

namespace AiOs.Runtime;

/// <summary>
/// The free blocks of one arena by size class: a list per class and two levels of bitmaps, so that finding a block that
/// fits takes constant time. Lists are last-in first-out, which hands out the block whose lines are most likely still
/// in the caches.
/// </summary>
internal sealed class FreeIndex
{
    private readonly Slots<Block> _blocks;
    private readonly int[] _heads = new int[SizeClasses.Count];
    private readonly uint[] _classBits = new uint[SizeClasses.Levels];
    private ulong _levelBits;

    public FreeIndex(Slots<Block> blocks)
    {
        _blocks = blocks;
        Array.Fill(_heads, -1);
    }

    public void Add(int index)
    {
        ref Block block = ref _blocks[index];
        int sizeClass = SizeClasses.IndexOf(block.Size);
        int head = _heads[sizeClass];
        block.State = BlockState.Free;
        block.ListPrevious = -1;
        block.ListNext = head;
        if (head >= 0)
        {
            _blocks[head].ListPrevious = index;
        }

        _heads[sizeClass] = index;
        _classBits[sizeClass / SizeClasses.Subdivisions] |= 1u << (sizeClass % SizeClasses.Subdivisions);
        _levelBits |= 1ul << (sizeClass / SizeClasses.Subdivisions);
    }

    public void Remove(int index)
    {
        ref Block block = ref _blocks[index];
        int sizeClass = SizeClasses.IndexOf(block.Size);
        if (block.ListNext >= 0)
        {
            _blocks[block.ListNext].ListPrevious = block.ListPrevious;
        }

        if (block.ListPrevious >= 0)
        {
            _blocks[block.ListPrevious].ListNext = block.ListNext;
            return;
        }

        _heads[sizeClass] = block.ListNext;
        if (block.ListNext < 0)
        {
            int level = sizeClass / SizeClasses.Subdivisions;
            _classBits[level] &= ~(1u << (sizeClass % SizeClasses.Subdivisions));
            if (_classBits[level] == 0)
            {
                _levelBits &= ~(1ul << level);
            }
        }
    }

    /// <summary>A free block of at least <paramref name="size"/> bytes, a class size; -1 when there is none.</summary>
    public int Find(long size)
    {
        int sizeClass = SizeClasses.IndexOf(size);
        int level = sizeClass / SizeClasses.Subdivisions;
        uint classes = _classBits[level] & (~0u << (sizeClass % SizeClasses.Subdivisions));
        if (classes == 0)
        {
            ulong levels = _levelBits & (~0ul << (level + 1));
            if (levels == 0)
            {
                return -1;
            }

            level = BitOperations.TrailingZeroCount(levels);
            classes = _classBits[level];
        }

        return _heads[level * SizeClasses.Subdivisions + BitOperations.TrailingZeroCount(classes)];
    }
}

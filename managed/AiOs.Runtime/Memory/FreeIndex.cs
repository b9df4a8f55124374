using System.Numerics;

namespace AiOs.Runtime;

/// <summary>
/// Regions by size: a list per class and two levels of bitmaps, so that one that fits is found in constant time. Lists
/// are last-in first-out, which hands out the memory whose lines are most likely still in the caches.
/// </summary>
internal sealed class FreeIndex
{
    /// <summary>Regions of one class that are looked at for the best fit.</summary>
    private const int Looks = 16;

    private readonly RegionTable _regions;
    private readonly int[] _heads = new int[SizeClasses.Count];
    private readonly uint[] _classBits = new uint[SizeClasses.Levels];
    private ulong _levelBits;

    public FreeIndex(RegionTable regions)
    {
        _regions = regions;
        Array.Fill(_heads, -1);
    }

    public bool IsEmpty => _levelBits == 0;

    public void Add(int index)
    {
        ref Region region = ref _regions[index];
        int sizeClass = SizeClasses.IndexOf(region.Size);
        int head = _heads[sizeClass];
        region.ListPrevious = -1;
        region.ListNext = head;
        if (head >= 0)
        {
            _regions[head].ListPrevious = index;
        }

        _heads[sizeClass] = index;
        _classBits[sizeClass / SizeClasses.Subdivisions] |= 1u << (sizeClass % SizeClasses.Subdivisions);
        _levelBits |= 1ul << (sizeClass / SizeClasses.Subdivisions);
    }

    public void Remove(int index)
    {
        ref Region region = ref _regions[index];
        int sizeClass = SizeClasses.IndexOf(region.Size);
        if (region.ListNext >= 0)
        {
            _regions[region.ListNext].ListPrevious = region.ListPrevious;
        }

        if (region.ListPrevious >= 0)
        {
            _regions[region.ListPrevious].ListNext = region.ListNext;
            return;
        }

        _heads[sizeClass] = region.ListNext;
        if (region.ListNext < 0)
        {
            int level = sizeClass / SizeClasses.Subdivisions;
            _classBits[level] &= ~(1u << (sizeClass % SizeClasses.Subdivisions));
            if (_classBits[level] == 0)
            {
                _levelBits &= ~(1ul << level);
            }
        }
    }

    /// <summary>
    /// A region of at least <paramref name="size"/> bytes, -1 when there is none: the best of the first few of the
    /// size's own class, whose regions may be too small, or of the next class that has any.
    /// </summary>
    public int Find(long size)
    {
        int sizeClass = SizeClasses.IndexOf(size);
        int best = BestOf(_heads[sizeClass], size);
        return best >= 0 ? best : BestOf(First(sizeClass + 1), size);
    }

    /// <summary>The first region of a class or of the next one that has any; -1 when none has.</summary>
    public int First(int sizeClass)
    {
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

    /// <summary>The region after this one in the order of classes; -1 after the last. With <see cref="First"/> it visits all.</summary>
    public int After(int index)
    {
        ref Region region = ref _regions[index];
        return region.ListNext >= 0 ? region.ListNext : First(SizeClasses.IndexOf(region.Size) + 1);
    }

    private int BestOf(int index, long size)
    {
        int best = -1;
        long least = long.MaxValue;
        for (int looks = 0; index >= 0 && looks < Looks && least > size; looks++)
        {
            ref Region region = ref _regions[index];
            if (region.Size >= size && region.Size < least)
            {
                best = index;
                least = region.Size;
            }

            index = region.ListNext;
        }

        return best;
    }
}

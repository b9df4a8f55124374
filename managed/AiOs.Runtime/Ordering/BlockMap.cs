namespace AiOs.Runtime;

/// <summary>A block that is allocated, or was freed and not yet given out again.</summary>
/// <param name="Start">Its first address.</param>
/// <param name="End">The address behind it.</param>
/// <param name="History">Its accesses.</param>
internal sealed record KnownBlock(long Start, long End, AccessHistory History)
{
    /// <summary>The allocation; null for memory of another library.</summary>
    public Operation? Allocated { get; init; }

    /// <summary>The graph's owner in the clock table, when the block was allocated while a graph was recorded.</summary>
    public int? Graph { get; init; }

    /// <summary>The free; null while the block is allocated.</summary>
    public Operation? Freed { get; init; }

    /// <summary>How often the memory was imported from another library; 0 for memory of the device.</summary>
    public int Imports { get; set; }
}

/// <summary>The blocks of a device by address. They do not overlap.</summary>
internal sealed class BlockMap(ClockTable clocks)
{
    private readonly List<KnownBlock> _blocks = [];

    /// <summary>The block with the last start at or before an address; null when there is none.</summary>
    public KnownBlock? Find(long address) => IndexOf(address) is >= 0 and int i ? _blocks[i] : null;

    /// <summary>The blocks that a range touches.</summary>
    public IEnumerable<KnownBlock> Overlapping(long start, long end)
    {
        for (int i = Math.Max(0, IndexOf(start)); i < _blocks.Count && _blocks[i].Start < end; i++)
        {
            if (_blocks[i].End > start)
            {
                yield return _blocks[i];
            }
        }
    }

    /// <summary>Adds a block that was allocated. It takes the place, and the history, of what was freed there.</summary>
    public KnownBlock Allocate(long start, long end, Operation allocated, int? graph)
    {
        var history = new AccessHistory(clocks);
        int i = Math.Max(0, IndexOf(start));
        while (i < _blocks.Count && _blocks[i].Start < end)
        {
            KnownBlock old = _blocks[i];
            if (old.End <= start)
            {
                i++;
                continue;
            }

            history.Inherit(old.History, start, end);
            _blocks.RemoveAt(i);
            i = Keep(i, old, old.Start, start);
            i = Keep(i, old, end, old.End);
        }

        var block = new KnownBlock(start, end, history) { Allocated = allocated, Graph = graph };
        _blocks.Insert(IndexOf(start) + 1, block);
        return block;
    }

    /// <summary>Marks a block as freed.</summary>
    public void Free(KnownBlock block, Operation freed) =>
        _blocks[IndexOf(block.Start)] = block with { Freed = freed };

    /// <summary>Marks all blocks of a graph as freed.</summary>
    public void FreeGraph(int graph, Operation freed)
    {
        for (int i = 0; i < _blocks.Count; i++)
        {
            if (_blocks[i] is { Freed: null } block && block.Graph == graph)
            {
                _blocks[i] = block with { Freed = freed };
            }
        }
    }

    /// <summary>Adds memory of another library. Imports that overlap are one block; what the device has allocated stays its own.</summary>
    public void Import(long start, long end)
    {
        KnownBlock[] overlapping = [.. _blocks.Where(block => block.Start < end && block.End > start)];
        if (overlapping.Any(block => block is { Freed: null, Imports: 0 }))
        {
            return;
        }

        var history = new AccessHistory(clocks);
        int imports = 1;
        foreach (KnownBlock block in overlapping)
        {
            _blocks.Remove(block);
            if (block.Freed is null)
            {
                (start, end) = (Math.Min(start, block.Start), Math.Max(end, block.End));
                imports += block.Imports;
                history.Inherit(block.History, block.Start, block.End);
            }
        }

        _blocks.Insert(IndexOf(start) + 1, new KnownBlock(start, end, history) { Imports = imports });
    }

    /// <summary>Takes one import of an address back.</summary>
    public void Release(long address)
    {
        if (Find(address) is { Imports: > 0 } block && --block.Imports == 0)
        {
            _blocks.Remove(block);
        }
    }

    // What is left of a freed block when a part of it is given out.
    private int Keep(int at, KnownBlock old, long start, long end)
    {
        if (start >= end)
        {
            return at;
        }

        var history = new AccessHistory(clocks);
        history.Inherit(old.History, start, end);
        _blocks.Insert(at, old with { Start = start, End = end, History = history });
        return at + 1;
    }

    private int IndexOf(long address)
    {
        int low = 0, high = _blocks.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_blocks[middle].Start <= address)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low - 1;
    }
}

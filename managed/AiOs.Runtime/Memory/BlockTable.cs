namespace AiOs.Runtime;

/// <summary>What a block is in use for.</summary>
internal enum BlockState : byte
{
    /// <summary>The entry of the table is not a block.</summary>
    Unused,

    /// <summary>In the free index of its arena.</summary>
    Free,

    /// <summary>Given out.</summary>
    Live,

    /// <summary>Freed by another stream than its own, and that stream still has work to run.</summary>
    Deferred,
}

/// <summary>A run of bytes of a segment. Links are indices into the table; -1 ends a list.</summary>
internal struct Block
{
    public nint Address;
    public long Size;
    public long Requested;
    public int Previous;
    public int Next;
    public int ListPrevious;
    public int ListNext;
    public int Segment;
    public BlockState State;
}

/// <summary>A range of memory reserved from the device, cut into blocks without gaps.</summary>
internal struct Segment
{
    public nint Address;
    public long Size;
    public int Pool;
    public int FirstBlock;
    public bool Small;
}

/// <summary>An array of structs whose entries are handed out by index and used again: no object per entry.</summary>
internal sealed class Slots<T>
    where T : struct
{
    private T[] _entries = new T[64];
    private int[] _free = new int[64];
    private int _freeCount;

    /// <summary>One more than the greatest index ever handed out.</summary>
    public int End { get; private set; }

    public ref T this[int index] => ref _entries[index];

    public int Add()
    {
        if (_freeCount > 0)
        {
            return _free[--_freeCount];
        }

        if (End == _entries.Length)
        {
            Array.Resize(ref _entries, End * 2);
        }

        return End++;
    }

    public void Remove(int index)
    {
        _entries[index] = default;
        if (_freeCount == _free.Length)
        {
            Array.Resize(ref _free, _freeCount * 2);
        }

        _free[_freeCount++] = index;
    }
}

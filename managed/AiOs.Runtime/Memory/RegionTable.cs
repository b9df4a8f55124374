using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AiOs.Runtime;

/// <summary>
/// Regions by index, in pieces that never move: an entry may be used under its front's lock while the core adds others
/// under its own. Each entry is one line of the cache, and nothing that is read on the way to it lies on one with an entry.
/// </summary>
internal sealed unsafe class RegionTable
{
    private const int PieceBits = 10;
    private const int PieceSize = 1 << PieceBits;

    private readonly List<Region[]> _memory = [];
    private Region*[] _pieces = [];
    private int _firstUnused = -1;

    /// <summary>One more than the greatest index ever handed out.</summary>
    public int End { get; private set; }

    public ref Region this[int index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref _pieces[index >> PieceBits][index & (PieceSize - 1)];
    }

    /// <summary>Makes an entry; all but its generation is for the caller to set.</summary>
    public int Add(long offset, long size)
    {
        int index = _firstUnused;
        if (index >= 0)
        {
            _firstUnused = this[index].ListNext;
        }
        else
        {
            index = End;
            if (index == _pieces.Length << PieceBits)
            {
                AddPiece();
            }

            End = index + 1;
        }

        ref Region region = ref this[index];
        region = new Region
        {
            Offset = offset,
            Size = size,
            Previous = -1,
            Next = -1,
            ListPrevious = -1,
            ListNext = -1,
            Uses = -1,
            Generation = region.Generation + 1, // Never 0, which is the generation of no block.
        };
        return index;
    }

    public void Remove(int index)
    {
        ref Region region = ref this[index];
        region.State = RegionState.Unused;
        region.ListNext = _firstUnused;
        _firstUnused = index;
    }

    private void AddPiece()
    {
        Region[] memory = GC.AllocateArray<Region>(PieceSize + 1, pinned: true);
        _memory.Add(memory);
        var start = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(memory));
        Region*[] pieces = new Region*[_pieces.Length + 1];
        _pieces.CopyTo(pieces, 0);
        pieces[^1] = (Region*)((start + Region.Bytes - 1) & -Region.Bytes);
        _pieces = pieces;
    }
}

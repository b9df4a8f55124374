using System.Runtime.InteropServices;

namespace AiOs.Runtime;

/// <summary>What a region of the address range is.</summary>
internal enum RegionState : byte
{
    /// <summary>The entry of the table is no region.</summary>
    Unused,

    /// <summary>Addresses without memory.</summary>
    Unmapped,

    /// <summary>Memory that the core may give out.</summary>
    Free,

    /// <summary>Given out.</summary>
    Live,

    /// <summary>Freed, or not yet given out: with a stream's front, or on its way between it and the core.</summary>
    Cached,

    /// <summary>Freed while another stream still uses it.</summary>
    Parked,
}

/// <summary>
/// A run of addresses; all regions together tile the range. Links are indices into the table, and -1 ends a list. The core
/// owns place and neighbours; a live, cached or parked region's other fields belong to the front of its stream.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = Bytes)]
internal struct Region
{
    /// <summary>A line of the cache, which regions of several threads' streams do not share.</summary>
    public const int Bytes = 64;

    /// <summary>Start within the range, in bytes.</summary>
    public long Offset;

    /// <summary>Size in bytes, a multiple of <see cref="SizeClasses.Unit"/>.</summary>
    public long Size;

    /// <summary>Bytes that were asked for; of a live region.</summary>
    public long Requested;

    /// <summary>Stamp of the last work of <see cref="Stream"/> that uses it; of a free region.</summary>
    public long Stamp;

    /// <summary>The region before it.</summary>
    public int Previous;

    /// <summary>The region after it.</summary>
    public int Next;

    /// <summary>Before it in the list it is in.</summary>
    public int ListPrevious;

    /// <summary>After it in the list it is in.</summary>
    public int ListNext;

    /// <summary>Number of the stream that allocated it last.</summary>
    public int Stream;

    /// <summary>First of the uses by other streams, in the front's table.</summary>
    public int Uses;

    /// <summary>Raised by every free, and kept when the entry becomes another region.</summary>
    public uint Generation;

    public RegionState State;
}

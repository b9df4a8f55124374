using System.Collections.Immutable;
using System.Text;

namespace AiOs.Runtime;

/// <summary>What a block of a <see cref="MemorySegment"/> is used for.</summary>
public enum MemoryBlockState
{
    /// <summary>Not in use.</summary>
    Free,

    /// <summary>Given out.</summary>
    Allocated,

    /// <summary>Freed, but enqueued work of another stream still uses it.</summary>
    PendingFree,
}

/// <summary>A part of a <see cref="MemorySegment"/>.</summary>
/// <param name="Address">Where it starts on the device.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="RequestedBytes">What was asked for; 0 unless it is allocated.</param>
/// <param name="State">What it is used for.</param>
/// <param name="Stream">Number of the stream that it was last given to.</param>
/// <param name="Stack">Where it was allocated; null unless that was recorded.</param>
public sealed record MemoryBlock(nint Address, long Bytes, long RequestedBytes, MemoryBlockState State, int Stream, CallStack? Stack);

/// <summary>Memory without a gap that was taken from the device; its blocks follow each other and fill it.</summary>
/// <param name="Address">Where it starts on the device.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Blocks">Its blocks, by address.</param>
public sealed record MemorySegment(nint Address, long Bytes, ImmutableArray<MemoryBlock> Blocks);

/// <summary>What happened to memory.</summary>
public enum MemoryAction
{
    /// <summary>A block was given out.</summary>
    Allocate,

    /// <summary>A block was taken back.</summary>
    Free,

    /// <summary>Memory was taken from the device.</summary>
    Map,

    /// <summary>Memory was given back to the device.</summary>
    Unmap,

    /// <summary>The device had no memory left.</summary>
    OutOfMemory,
}

/// <summary>An event of the history.</summary>
/// <param name="Action">What happened.</param>
/// <param name="Address">Where the block or the memory starts; 0 when there is none.</param>
/// <param name="Bytes">Size of the block or the memory.</param>
/// <param name="RequestedBytes">What was asked for.</param>
/// <param name="Stream">Number of the stream it was for.</param>
/// <param name="Time">When, in microseconds since 1970-01-01 UTC.</param>
/// <param name="Stack">Where; null for what the device does.</param>
public readonly record struct MemoryEvent(
    MemoryAction Action, nint Address, long Bytes, long RequestedBytes, int Stream, long Time, CallStack? Stack);

/// <summary>
/// The memory of a device at one moment, and how it came about: <see cref="CachingAllocator.Snapshot"/>. It does not
/// change afterwards.
/// </summary>
public sealed record MemorySnapshot
{
    /// <summary>Name of the device's backend and its hardware.</summary>
    public required string Device { get; init; }

    /// <summary>When it was taken.</summary>
    public required DateTimeOffset Taken { get; init; }

    /// <summary>The allocator's numbers.</summary>
    public required AllocatorStatistics Statistics { get; init; }

    /// <summary>All memory taken from the device, by address.</summary>
    public required ImmutableArray<MemorySegment> Segments { get; init; }

    /// <summary>The last events, the oldest first; none unless <see cref="DeviceOptions.MemoryHistory"/> is set.</summary>
    public ImmutableArray<MemoryEvent> History { get; init; } = [];

    /// <summary>Events before the first of <see cref="History"/> that were not kept.</summary>
    public long ForgottenEvents { get; init; }

    /// <summary>Bytes taken from the device, in use or not.</summary>
    public long ReservedBytes => Segments.Sum(segment => segment.Bytes);

    /// <summary>Bytes asked for in the blocks that are allocated.</summary>
    public long RequestedBytes => Blocks.Sum(block => block.RequestedBytes);

    /// <summary>All blocks.</summary>
    public IEnumerable<MemoryBlock> Blocks => Segments.SelectMany(segment => segment.Blocks);

    /// <summary>
    /// Writes the snapshot as a pickle that PyTorch's page <c>memory_viz</c> and <c>torch.cuda._memory_viz</c> read. The file
    /// is there complete or not at all.
    /// </summary>
    /// <param name="path">The file; one that is there is replaced.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    public void WritePickle(string path) => Replace(path, stream => SnapshotPickle.Write(this, stream));

    /// <summary>
    /// Writes the snapshot as one HTML page that needs no other file: memory over time, the largest blocks, who holds them,
    /// and the segments. The file is there complete or not at all.
    /// </summary>
    /// <param name="path">The file; one that is there is replaced.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    public void WriteHtml(string path) => Replace(path, stream => stream.Write(Encoding.UTF8.GetBytes(SnapshotPage.Render(this))));

    /// <summary>Who holds the memory that is allocated now, the largest first.</summary>
    public ImmutableArray<MemoryHolder> Holders() => MemoryTimeline.Of(this).Holders();

    private static void Replace(string path, Action<System.IO.Stream> write)
    {
        ArgumentNullException.ThrowIfNull(path);
        string temporary = path + ".tmp";
        try
        {
            using (FileStream stream = File.Create(temporary))
            {
                write(stream);
            }

            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}

/// <summary>A call site and the memory it holds.</summary>
/// <param name="Site">The call site in a few words; "unknown" when it was not recorded.</param>
/// <param name="Blocks">Number of blocks now.</param>
/// <param name="Bytes">Bytes asked for now.</param>
/// <param name="BlocksAtPeak">Number of blocks when most was allocated in the time that the history covers.</param>
/// <param name="BytesAtPeak">Bytes asked for then.</param>
public readonly record struct MemoryHolder(string Site, int Blocks, long Bytes, int BlocksAtPeak, long BytesAtPeak);

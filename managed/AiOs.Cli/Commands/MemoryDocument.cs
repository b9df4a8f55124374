namespace AiOs.Cli.Commands;

/// <summary>What <c>aios memory --json</c> prints. All sizes are bytes.</summary>
internal sealed record MemoryDocument
{
    /// <summary>Backend and hardware.</summary>
    public required string Device { get; init; }

    /// <summary>Numbers the model learns.</summary>
    public required long Parameters { get; init; }

    /// <summary>Steps done.</summary>
    public required long Steps { get; init; }

    /// <summary>Asked for in the blocks that are allocated after the last step.</summary>
    public required long AllocatedBytes { get; init; }

    /// <summary>Number of those blocks.</summary>
    public required int Blocks { get; init; }

    /// <summary>Taken from the device, in use or not.</summary>
    public required long ReservedBytes { get; init; }

    /// <summary>Reserved and not asked for.</summary>
    public long UnusedBytes => ReservedBytes - AllocatedBytes;

    /// <summary>Most that was allocated at one moment, rounding included.</summary>
    public required long PeakAllocatedBytes { get; init; }

    /// <summary>Most that was reserved at one moment.</summary>
    public required long PeakReservedBytes { get; init; }

    /// <summary>Events that were recorded and kept.</summary>
    public required int Events { get; init; }

    /// <summary>Events before them that were not kept.</summary>
    public required long ForgottenEvents { get; init; }

    /// <summary>The pickle that was written; null for none.</summary>
    public required string? Snapshot { get; init; }

    /// <summary>The page that was written; null for none.</summary>
    public required string? Html { get; init; }

    /// <summary>Who holds the memory, by what they hold after the last step.</summary>
    public required IReadOnlyList<MemoryHolderDocument> Holders { get; init; }
}

/// <summary>A call site and the memory it holds.</summary>
internal sealed record MemoryHolderDocument(string Site, int Blocks, long Bytes, int BlocksAtPeak, long BytesAtPeak);

namespace AiOs.Runtime;

/// <summary>
/// Puts a zone of known bytes before and after every block, right behind its last byte, and looks at them when it is
/// freed, after all work that uses it.
/// </summary>
internal sealed class RedZoneLayer(Allocator inner, IStreamMemory memory, int zoneBytes) : AllocatorLayer(inner)
{
    private const byte Value = 0xFA;

    private readonly long _zone = SizeClasses.RoundToUnit(zoneBytes);

    /// <inheritdoc/>
    public override Allocation Allocate(long bytes, int stream)
    {
        Allocation block = Inner.Allocate(bytes > long.MaxValue - (2 * _zone) ? bytes : bytes + (2 * _zone), stream);
        if (block.Address == 0)
        {
            return default;
        }

        memory.Fill(stream, block.Address, Value, _zone);
        memory.Fill(stream, block.Address + (nint)(_zone + bytes), Value, _zone);
        return block with { Address = block.Address + (nint)_zone };
    }

    /// <inheritdoc/>
    /// <exception cref="MemoryCorruptionException">Something was written outside the block; it is freed all the same.</exception>
    public override void Free(Allocation block)
    {
        RegionInfo region = Find(block);
        Inner.WaitForUses(block);
        byte[] zone = new byte[_zone];
        long before = memory.TryRead(region.Stream, region.Address - (nint)_zone, zone) ? zone.AsSpan().IndexOfAnyExcept(Value) : -1;
        long after = memory.TryRead(region.Stream, region.Address + (nint)region.Requested, zone) ? zone.AsSpan().IndexOfAnyExcept(Value) : -1;
        Inner.Free(block);
        if (before >= 0 || after >= 0)
        {
            string where = after >= 0 ? $"{after} bytes after its end" : $"{_zone - before} bytes before its start";
            string site = region.Stack is { } stack ? $"; it was allocated{Environment.NewLine}{stack.Calls}" : "; set AIOS_CALL_SITES=1 to see where it was allocated";
            throw new MemoryCorruptionException(
                region.Address, region.Requested, $"the block of {region.Requested} bytes at 0x{region.Address:x} was written {where}{site}");
        }
    }

    /// <inheritdoc/>
    protected override RegionInfo View(RegionInfo region) => region.State == RegionState.Live
        ? region with { Address = region.Address + (nint)_zone, Size = region.Size - (2 * _zone), Requested = region.Requested - (2 * _zone) }
        : region;
}

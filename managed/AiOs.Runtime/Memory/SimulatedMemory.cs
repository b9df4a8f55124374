using System.Collections;

namespace AiOs.Runtime;

/// <summary>
/// A range with nothing behind it, which counts what would be: allocators are tested and traces replayed on it. It
/// refuses what a device could not do.
/// </summary>
/// <param name="limit">Bytes that the pretended device has.</param>
/// <param name="capacity">Size of the range in bytes.</param>
/// <param name="granularity">Size of a page in bytes.</param>
internal sealed class SimulatedMemory(long limit = long.MaxValue, long capacity = 1L << 40, long granularity = 2 << 20) : IMemoryBackend
{
    private readonly BitArray _mapped = new(checked((int)(capacity / granularity)));

    public nint Base => 1 << 30;

    public long Capacity => capacity;

    public long Granularity => granularity;

    /// <summary>Bytes that have memory behind them now.</summary>
    public long MappedBytes { get; private set; }

    /// <summary>Greatest <see cref="MappedBytes"/> so far.</summary>
    public long PeakMappedBytes { get; private set; }

    /// <summary>True when all bytes from <paramref name="address"/> have memory behind them.</summary>
    public bool IsMapped(nint address, long bytes)
    {
        for (long page = (address - Base) / granularity; page * granularity < address - Base + bytes; page++)
        {
            if (!_mapped[(int)page])
            {
                return false;
            }
        }

        return true;
    }

    public bool TryMap(long offset, long bytes)
    {
        if (bytes > limit - MappedBytes)
        {
            return false;
        }

        Set(offset, bytes, true);
        MappedBytes += bytes;
        PeakMappedBytes = Math.Max(PeakMappedBytes, MappedBytes);
        return true;
    }

    public void Unmap(long offset, long bytes)
    {
        Set(offset, bytes, false);
        MappedBytes -= bytes;
    }

    public void Release() => _mapped.SetAll(false);

    private void Set(long offset, long bytes, bool mapped)
    {
        if (bytes <= 0 || offset % granularity != 0 || bytes % granularity != 0 || offset < 0 || offset + bytes > capacity)
        {
            throw new InvalidOperationException($"{bytes} bytes at {offset} are not pages of {granularity} bytes within the range");
        }

        for (long page = offset / granularity; page < (offset + bytes) / granularity; page++)
        {
            if (_mapped[(int)page] == mapped)
            {
                throw new InvalidOperationException($"page {page} is {(mapped ? "mapped" : "unmapped")} twice");
            }

            _mapped[(int)page] = mapped;
        }
    }
}

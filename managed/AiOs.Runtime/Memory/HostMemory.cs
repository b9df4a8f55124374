using System.Collections.Concurrent;
using System.Diagnostics;
using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>The pinned host memory of a device: allocated one by one, not cached, freed with the device at the latest.</summary>
internal sealed class HostMemory(Device device, bool track)
{
    private readonly ConcurrentDictionary<nint, (long Bytes, string? Stack)> _blocks = new();

    /// <summary>The blocks in use, as a leak report shows them.</summary>
    public IEnumerable<LeakedBlock> Live =>
        _blocks.Select(block => new LeakedBlock(block.Key, block.Value.Bytes, block.Value.Stack, false));

    /// <summary>Allocates a block.</summary>
    /// <exception cref="DeviceOutOfMemoryException">The machine has no memory left.</exception>
    public nint Allocate(long bytes)
    {
        bytes = Math.Max(1, bytes);
        aios_status status = device.Driver.AllocateHost(bytes, out nint memory);
        if (status == aios_status.OutOfMemory)
        {
            throw new DeviceOutOfMemoryException(
                bytes, $"{bytes} bytes of pinned memory could not be allocated; allocate less or free memory on this machine");
        }

        device.Check(status, "alloc_host");
        MemoryPressure.Add(bytes);
        _blocks[memory] = (bytes, track ? new StackTrace(2, true).ToString() : null);
        device.Races?.Allocated(memory, bytes, RaceDetector.Host);
        return memory;
    }

    /// <summary>Frees a block; nothing happens when it was freed before.</summary>
    public void Free(nint memory)
    {
        device.Races?.Freed(memory, RaceDetector.Host);
        if (_blocks.TryRemove(memory, out var block))
        {
            _ = device.Driver.FreeHost(memory, block.Bytes);
            MemoryPressure.Remove(block.Bytes);
        }
    }

    /// <summary>Frees all blocks.</summary>
    public void Clear()
    {
        foreach (nint memory in _blocks.Keys)
        {
            Free(memory);
        }
    }
}

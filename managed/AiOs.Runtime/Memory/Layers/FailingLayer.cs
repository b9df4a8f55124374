using System.Globalization;

namespace AiOs.Runtime;

/// <summary>Lets one allocation fail as if memory had run out, to see what the program does then.</summary>
/// <param name="inner">The allocator below.</param>
/// <param name="failing">Number of the allocation that fails, counted from 1.</param>
internal sealed class FailingLayer(Allocator inner, long failing) : AllocatorLayer(inner)
{
    private long _allocations;

    /// <inheritdoc/>
    /// <exception cref="DeviceOutOfMemoryException">It is the allocation that fails.</exception>
    public override Allocation Allocate(long bytes, int stream) =>
        Interlocked.Increment(ref _allocations) == failing
            ? throw new DeviceOutOfMemoryException(
                bytes, string.Create(CultureInfo.InvariantCulture, $"allocation {failing} ({bytes} bytes) fails because {MemoryChecks.Variable} asks for it"))
            : Inner.Allocate(bytes, stream);
}

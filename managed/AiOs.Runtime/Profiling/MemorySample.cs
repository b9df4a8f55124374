namespace AiOs.Runtime;

/// <summary>The device's memory at one moment of a trace.</summary>
/// <param name="TimeNs">Nanoseconds of the monotonic clock.</param>
/// <param name="AllocatedBytes">Bytes of the blocks in use.</param>
/// <param name="ReservedBytes">Bytes taken from the device.</param>
public readonly record struct MemorySample(long TimeNs, long AllocatedBytes, long ReservedBytes);

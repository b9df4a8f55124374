namespace AiOs.Runtime;

/// <summary>What a device is made of.</summary>
/// <param name="Name">Name as the hardware reports it.</param>
/// <param name="Isa">Instruction set of the kernels in use, such as "avx512".</param>
/// <param name="Threads">Workers that run kernels, see <see cref="Backends.Workers"/>.</param>
/// <param name="Cores">Processors that this process may run on.</param>
/// <param name="MemoryBytes">Memory of the device, in bytes.</param>
/// <param name="L1Bytes">First-level data cache of one core, in bytes; 0 when unknown.</param>
/// <param name="L2Bytes">Second-level cache of one core, in bytes; 0 when unknown.</param>
/// <param name="L3Bytes">Third-level cache, in bytes; 0 when unknown.</param>
/// <param name="CpuQuota">Processors' worth of time that the container leaves this process; null without a limit.</param>
public sealed record DeviceInfo(
    string Name, string Isa, int Threads, int Cores, long MemoryBytes, long L1Bytes, long L2Bytes, long L3Bytes, double? CpuQuota);

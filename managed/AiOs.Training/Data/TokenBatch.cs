using AiOs.Runtime;

namespace AiOs.Training.Data;

/// <summary>The inputs and targets of a batch, each [rows, block], row-major, in pinned memory.</summary>
public sealed class TokenBatch : IDisposable
{
    internal TokenBatch(Device device, int length)
    {
        Inputs = device.AllocatePinned<int>(length);
        Targets = device.AllocatePinned<int>(length);
    }

    /// <summary>Token ids.</summary>
    public PinnedMemory<int> Inputs { get; }

    /// <summary>The token that follows each input.</summary>
    public PinnedMemory<int> Targets { get; }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        ((IDisposable)Inputs).Dispose();
        ((IDisposable)Targets).Dispose();
    }
}

using AiOs.Runtime;

namespace AiOs.Tensors;

/// <summary>Memory of another library under a <see cref="TensorStorage"/>.</summary>
/// <param name="owner">Gives the memory back.</param>
/// <param name="device">The device whose work uses it.</param>
/// <param name="address">Its first byte.</param>
/// <param name="isReadOnly">True when nothing may be written to it.</param>
/// <param name="isPrivate">True when nobody else sees what is written to it.</param>
internal sealed class ForeignMemory(DLPackHandle owner, Device device, nint address, bool isReadOnly, bool isPrivate) : IDisposable
{
    public bool IsReadOnly => isReadOnly;

    public bool IsPrivate => isPrivate && !isReadOnly;

    /// <summary>Gives the memory back when the work that was enqueued so far, on any stream, has run.</summary>
    public void Release()
    {
        device.Drain();
        Dispose();
    }

    /// <summary>The same from a finaliser, which must not wait: the device does it later.</summary>
    public void Abandon() => device.Abandon(this);

    /// <summary>Gives the memory back; no enqueued work uses it any more.</summary>
    public void Dispose()
    {
        device.Races?.Release(address);
        owner.Dispose();
    }
}

using System.Buffers;
using System.Runtime.CompilerServices;

namespace AiOs.Runtime;

/// <summary>
/// Host memory that copies from and to the device use directly, so that they need not wait: readable and writable as a
/// <see cref="Span{T}"/> or <see cref="Memory{T}"/>. Dispose it after the copies that use it have run. There is no
/// finaliser, because a span may outlive the last reference to this object: one that was forgotten is reported as a
/// leak and freed with the device.
/// </summary>
/// <typeparam name="T">Element type.</typeparam>
public sealed class PinnedMemory<T> : MemoryManager<T>
    where T : unmanaged
{
    private nint _pointer;

    internal PinnedMemory(Device device, int length)
    {
        Device = device;
        Length = length;
        _pointer = device.Memory.AllocateHost(Bytes);
    }

    /// <summary>The device whose copies use the memory directly.</summary>
    public Device Device { get; }

    /// <summary>Number of elements.</summary>
    public int Length { get; }

    /// <summary>Size in bytes.</summary>
    public long Bytes => (long)Length * Unsafe.SizeOf<T>();

    /// <summary>Address of the first element.</summary>
    /// <exception cref="ObjectDisposedException">The memory was disposed.</exception>
    public nint Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_pointer == 0 || Device.IsDisposed, this);
            return _pointer;
        }
    }

    /// <summary>The elements, to be read only: work in flight may read them too, but not write them.</summary>
    /// <exception cref="RaceException">Work in flight writes them (with <see cref="DeviceOptions.DetectRaces"/>).</exception>
    public unsafe ReadOnlySpan<T> ReadOnlySpan
    {
        get
        {
            Device.Races?.HostAccess(Pointer, Bytes, isWrite: false);
            return new ReadOnlySpan<T>((void*)Pointer, Length);
        }
    }

    /// <summary>The elements, to be read and written.</summary>
    /// <exception cref="RaceException">Work in flight uses them (with <see cref="DeviceOptions.DetectRaces"/>).</exception>
    public override unsafe Span<T> GetSpan()
    {
        Device.Races?.HostAccess(Pointer, Bytes, isWrite: true);
        return new Span<T>((void*)Pointer, Length);
    }

    /// <inheritdoc/>
    public override unsafe MemoryHandle Pin(int elementIndex = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(elementIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(elementIndex, Length);
        Device.Races?.HostAccess(Pointer, Bytes, isWrite: true);
        return new MemoryHandle((T*)Pointer + elementIndex, default, this);
    }

    /// <inheritdoc/>
    public override void Unpin()
    {
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        nint pointer = Interlocked.Exchange(ref _pointer, 0);
        if (pointer != 0)
        {
            Device.Memory.FreeHost(pointer);
        }
    }
}

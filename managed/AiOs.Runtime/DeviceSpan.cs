using System.Runtime.CompilerServices;

namespace AiOs.Runtime;

/// <summary>A view of device memory; it owns nothing and must not outlive the memory.</summary>
/// <typeparam name="T">Element type.</typeparam>
public readonly ref struct DeviceSpan<T>
    where T : unmanaged
{
    internal DeviceSpan(Device device, nint pointer, long length)
    {
        Device = device;
        Pointer = pointer;
        Length = length;
    }

    /// <summary>The device that holds the memory.</summary>
    public Device Device { get; }

    /// <summary>Address of the first element on the device.</summary>
    public nint Pointer { get; }

    /// <summary>Number of elements.</summary>
    public long Length { get; }

    /// <summary>A part of the view.</summary>
    /// <param name="start">Its first element.</param>
    /// <param name="length">Its number of elements.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part is not inside the view.</exception>
    public DeviceSpan<T> Slice(long start, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length - start);
        return new DeviceSpan<T>(Device, Pointer + (nint)(start * Unsafe.SizeOf<T>()), length);
    }

    /// <summary>Copies to the host after all work of <paramref name="stream"/>, and waits for it.</summary>
    /// <param name="destination">Receives its own length of elements from the start of the view.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <exception cref="ArgumentException">The destination is longer than the view.</exception>
    public void CopyTo(Span<T> destination, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Guard.Fits(destination.Length, Length);
        stream.CopyToHost(destination, Pointer);
    }

    /// <summary>Enqueues a copy of the whole view to the start of another, which must not overlap it.</summary>
    /// <param name="destination">At least as long as this view.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <exception cref="ArgumentException">The destination is shorter than the view.</exception>
    public void CopyTo(DeviceSpan<T> destination, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Guard.Fits(Length, destination.Length);
        stream.Copy(destination.Pointer, Pointer, Length * Unsafe.SizeOf<T>());
    }

    /// <summary>Copies from the host and waits until <paramref name="source"/> may change again.</summary>
    /// <param name="source">At most <see cref="Length"/> elements; they go to the start of the view.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <exception cref="ArgumentException">The source is longer than the view.</exception>
    public void CopyFrom(ReadOnlySpan<T> source, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Guard.Fits(source.Length, Length);
        stream.CopyFromHost(Pointer, source);
    }

    /// <summary>Enqueues setting every byte of the view.</summary>
    /// <param name="value">The value of each byte; 0 makes every number type zero.</param>
    /// <param name="stream">The stream that sets it.</param>
    public void Fill(byte value, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        stream.Fill(Pointer, value, Length * Unsafe.SizeOf<T>());
    }
}

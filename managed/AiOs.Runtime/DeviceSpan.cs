using System.Runtime.CompilerServices;

namespace AiOs.Runtime;

/// <summary>A view of device memory; it owns nothing and must not outlive the memory.</summary>
/// <typeparam name="T">Element type.</typeparam>
public readonly ref struct DeviceSpan<T>
    where T : unmanaged
{
    internal DeviceSpan(Stream owner, nint pointer, long length, Allocation block)
    {
        Owner = owner;
        Block = block;
        Pointer = pointer;
        Length = length;
    }

    /// <summary>The device that holds the memory.</summary>
    public Device Device => Owner.Device;

    /// <summary>
    /// Address of the first element on the device, for work of the stream the memory was allocated for;
    /// <see cref="On"/> gives it to other streams.
    /// </summary>
    public nint Pointer { get; }

    /// <summary>Number of elements.</summary>
    public long Length { get; }

    /// <summary>The stream that the memory was allocated for.</summary>
    internal Stream Owner { get; }

    /// <summary>The block that the memory is a part of.</summary>
    internal Allocation Block { get; }

    /// <summary>The view as an argument of a kernel that writes it, and perhaps reads it as well.</summary>
    /// <param name="span">The view.</param>
    public static implicit operator KernelArgument(DeviceSpan<T> span) => Access.Write(span);

    /// <summary>A part of the view.</summary>
    /// <param name="start">Its first element.</param>
    /// <param name="length">Its number of elements.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part is not inside the view.</exception>
    public DeviceSpan<T> Slice(long start, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length - start);
        return new DeviceSpan<T>(Owner, Pointer + (nint)(start * Unsafe.SizeOf<T>()), length, Block);
    }

    /// <summary>
    /// The address for work that is enqueued on a stream right after this call: when the memory is freed, it is not used
    /// again before that work has run.
    /// </summary>
    /// <param name="stream">The stream, of the same device.</param>
    public nint On(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (stream != Owner)
        {
            Device.Memory.NoteUse(Block, stream);
        }

        return Pointer;
    }

    /// <summary>Copies to the host after all work of <paramref name="stream"/>, and waits for it.</summary>
    /// <param name="destination">Receives its own length of elements from the start of the view.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <exception cref="ArgumentException">The destination is longer than the view.</exception>
    public void CopyTo(Span<T> destination, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Guard.Fits(destination.Length, Length);
        stream.CopyToHost(destination, On(stream));
    }

    /// <summary>
    /// Enqueues a copy of the whole view to the start of another, which must not overlap it. The other may be of another
    /// device of the same backend: then the copy and the stream that its memory was allocated for wait for each other.
    /// </summary>
    /// <param name="destination">At least as long as this view.</param>
    /// <param name="stream">The stream that copies, of this view's device.</param>
    /// <exception cref="ArgumentException">The destination is shorter than the view, or of another backend.</exception>
    public void CopyTo(DeviceSpan<T> destination, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Guard.Fits(Length, destination.Length);
        if (destination.Device != Device)
        {
            stream.CopyPeer(destination.Owner, destination.Pointer, On(stream), Length * Unsafe.SizeOf<T>());
            return;
        }

        stream.Copy(destination.On(stream), On(stream), Length * Unsafe.SizeOf<T>());
    }

    /// <summary>Copies from the host and waits until <paramref name="source"/> may change again.</summary>
    /// <param name="source">At most <see cref="Length"/> elements; they go to the start of the view.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <exception cref="ArgumentException">The source is longer than the view.</exception>
    public void CopyFrom(ReadOnlySpan<T> source, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Guard.Fits(source.Length, Length);
        stream.CopyFromHost(On(stream), source);
    }

    /// <summary>Enqueues setting every byte of the view.</summary>
    /// <param name="value">The value of each byte; 0 makes every number type zero.</param>
    /// <param name="stream">The stream that sets it.</param>
    public void Fill(byte value, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        stream.Fill(On(stream), value, Length * Unsafe.SizeOf<T>());
    }
}

using System.Runtime.CompilerServices;

namespace AiOs.Runtime;

/// <summary>
/// Owns a block of device memory. It is never shown as a <see cref="Span{T}"/>: data moves by the copies below. Dispose
/// it; one that was forgotten is freed by the device some time after the garbage collector finds it, and counted as a
/// leak.
/// </summary>
/// <typeparam name="T">Element type.</typeparam>
public sealed class DeviceMemory<T> : IDisposable
    where T : unmanaged
{
    private readonly Stream _stream;
    private readonly Allocation _block;
    private int _disposed;

    internal DeviceMemory(Stream stream, Allocation block, long length)
    {
        _stream = stream;
        _block = block;
        Length = length;
    }

    /// <summary>Leaves the block to the device: a finaliser never calls the driver.</summary>
    ~DeviceMemory()
    {
        if (_disposed == 0)
        {
            Device.Memory.Abandon(new AbandonedResource(AbandonedKind.Device, 0, _block));
        }
    }

    /// <summary>The device that holds the memory.</summary>
    public Device Device => _stream.Device;

    /// <summary>Number of elements.</summary>
    public long Length { get; }

    /// <summary>Size in bytes.</summary>
    public long Bytes => Length * Unsafe.SizeOf<T>();

    /// <summary>
    /// Address on the device, for work of the stream it was allocated for; <see cref="On"/> gives it to other streams.
    /// Dereferencing it on the host is an error on most devices.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The memory or its device was disposed.</exception>
    public nint Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed != 0 || Device.IsDisposed, this);
            return _block.Address;
        }
    }

    /// <summary>A view of the whole block.</summary>
    public DeviceSpan<T> Span => new(_stream, Pointer, Length, _block);

    /// <summary>The block as an argument of a kernel that writes it, and perhaps reads it as well.</summary>
    /// <param name="memory">The block.</param>
    public static implicit operator KernelArgument(DeviceMemory<T> memory) => Access.Write(memory);

    /// <summary>
    /// The address for work that is enqueued on a stream right after this call: when the block is freed, it is not used
    /// again before that work has run.
    /// </summary>
    /// <param name="stream">The stream, of the same device.</param>
    /// <exception cref="ObjectDisposedException">The memory or its device was disposed.</exception>
    public nint On(Stream stream) => Span.On(stream);

    /// <summary>Copies from the host and waits until <paramref name="source"/> may change again.</summary>
    /// <param name="source">At most <see cref="Length"/> elements; they go to the start of the block.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <exception cref="ArgumentException">The source is longer than the block.</exception>
    public void CopyFrom(ReadOnlySpan<T> source, Stream stream) => Span.CopyFrom(source, stream);

    /// <summary>Enqueues a copy from pinned memory, which must stay unchanged until the copy has run.</summary>
    /// <param name="source">At most <see cref="Length"/> elements; they go to the start of the block.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <exception cref="ArgumentException">The source is longer than the block.</exception>
    public void CopyFrom(PinnedMemory<T> source, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(source);
        Guard.Fits(source.Length, Length);
        stream.Copy(On(stream), source.Pointer, source.Bytes);
    }

    /// <summary>Copies to the host after all work of <paramref name="stream"/>, and waits for it.</summary>
    /// <param name="destination">Receives its own length of elements from the start of the block.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <exception cref="ArgumentException">The destination is longer than the block.</exception>
    public void CopyTo(Span<T> destination, Stream stream) => Span.CopyTo(destination, stream);

    /// <summary>
    /// Copies to the host without blocking the calling thread. The enqueued copy itself cannot be called back: a
    /// cancelled call still waits for it before it completes, because the destination is in use until then.
    /// </summary>
    /// <param name="destination">Receives its own length of elements from the start of the block.</param>
    /// <param name="stream">The stream that copies.</param>
    /// <param name="cancellationToken">Ends the call with <see cref="OperationCanceledException"/>.</param>
    /// <returns>Completes when the values are in <paramref name="destination"/>.</returns>
    /// <exception cref="ArgumentException">The destination is longer than the block.</exception>
    /// <exception cref="BackendException">Earlier work of the stream failed.</exception>
    public async ValueTask CopyToAsync(Memory<T> destination, Stream stream, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Guard.Fits(destination.Length, Length);
        cancellationToken.ThrowIfCancellationRequested();
        using (System.Buffers.MemoryHandle pin = destination.Pin())
        {
            stream.CopyHost(AddressOf(pin), On(stream), (long)destination.Length * Unsafe.SizeOf<T>(), toHost: true);
            await stream.SynchronizeAsync(CancellationToken.None).ConfigureAwait(false);
        }

        GC.KeepAlive(this);
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>
    /// Frees the block. Work already enqueued still finds it, on the stream it was allocated for and on others that got
    /// the address by <see cref="On"/> or were given copies.
    /// </summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            Device.Memory.Free(_block);
        }

        GC.SuppressFinalize(this);
    }

    private static unsafe nint AddressOf(in System.Buffers.MemoryHandle pin) => (nint)pin.Pointer;
}

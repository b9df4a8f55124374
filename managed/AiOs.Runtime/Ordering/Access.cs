using System.Runtime.CompilerServices;

namespace AiOs.Runtime;

/// <summary>A range of bytes that work on a stream reads or writes: what the runtime is told of work it does not know.</summary>
public readonly record struct Access
{
    private Access(nint address, long bytes, bool isWrite)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        (Address, Bytes, IsWrite) = (address, bytes, isWrite);
    }

    /// <summary>Address of the first byte.</summary>
    public nint Address { get; }

    /// <summary>Number of bytes; with 0 nothing is accessed.</summary>
    public long Bytes { get; }

    /// <summary>True when the bytes are written, and perhaps read as well.</summary>
    public bool IsWrite { get; }

    /// <summary>Device or pinned memory that is only read.</summary>
    /// <param name="address">Address of the first byte.</param>
    /// <param name="bytes">Number of bytes.</param>
    public static Access Read(nint address, long bytes) => new(address, bytes, false);

    /// <summary>Device or pinned memory that is written, and perhaps read as well.</summary>
    /// <param name="address">Address of the first byte.</param>
    /// <param name="bytes">Number of bytes.</param>
    public static Access Write(nint address, long bytes) => new(address, bytes, true);

    /// <summary>A view that is only read.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="span">The view.</param>
    public static Access Read<T>(DeviceSpan<T> span)
        where T : unmanaged => Read(span.Pointer, span.Length * Unsafe.SizeOf<T>());

    /// <summary>A view that is written, and perhaps read as well.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="span">The view.</param>
    public static Access Write<T>(DeviceSpan<T> span)
        where T : unmanaged => Write(span.Pointer, span.Length * Unsafe.SizeOf<T>());

    /// <summary>A block that is only read.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="memory">The block.</param>
    public static Access Read<T>(DeviceMemory<T> memory)
        where T : unmanaged => Read(memory?.Pointer ?? throw new ArgumentNullException(nameof(memory)), memory.Bytes);

    /// <summary>A block that is written, and perhaps read as well.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="memory">The block.</param>
    public static Access Write<T>(DeviceMemory<T> memory)
        where T : unmanaged => Write(memory?.Pointer ?? throw new ArgumentNullException(nameof(memory)), memory.Bytes);

    /// <summary>Pinned memory that is only read.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="memory">The memory.</param>
    public static Access Read<T>(PinnedMemory<T> memory)
        where T : unmanaged => Read(memory?.Pointer ?? throw new ArgumentNullException(nameof(memory)), memory.Bytes);

    /// <summary>Pinned memory that is written, and perhaps read as well.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="memory">The memory.</param>
    public static Access Write<T>(PinnedMemory<T> memory)
        where T : unmanaged => Write(memory?.Pointer ?? throw new ArgumentNullException(nameof(memory)), memory.Bytes);
}

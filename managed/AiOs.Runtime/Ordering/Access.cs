using System.Runtime.CompilerServices;

namespace AiOs.Runtime;

/// <summary>A range of bytes that work on a stream reads or writes: what the runtime is told of work it does not know.</summary>
public readonly record struct Access
{
    private readonly Stream? _owner;
    private readonly Allocation _block;

    private Access(nint address, long bytes, bool isWrite, Stream? owner = null, Allocation block = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        (Address, Bytes, IsWrite, _owner, _block) = (address, bytes, isWrite, owner, block);
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

    /// <summary>A part of a block.</summary>
    internal static Access Of(nint address, long bytes, bool isWrite, Stream owner, Allocation block) => new(address, bytes, isWrite, owner, block);

    /// <summary>A view that is only read.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="span">The view.</param>
    public static Access Read<T>(DeviceSpan<T> span)
        where T : unmanaged => new(span.Pointer, span.Length * Unsafe.SizeOf<T>(), false, span.Owner, span.Block);

    /// <summary>A view that is written, and perhaps read as well.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="span">The view.</param>
    public static Access Write<T>(DeviceSpan<T> span)
        where T : unmanaged => new(span.Pointer, span.Length * Unsafe.SizeOf<T>(), true, span.Owner, span.Block);

    /// <summary>A block that is only read.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="memory">The block.</param>
    public static Access Read<T>(DeviceMemory<T> memory)
        where T : unmanaged => memory is null ? throw new ArgumentNullException(nameof(memory)) : Read(memory.Span);

    /// <summary>A block that is written, and perhaps read as well.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="memory">The block.</param>
    public static Access Write<T>(DeviceMemory<T> memory)
        where T : unmanaged => memory is null ? throw new ArgumentNullException(nameof(memory)) : Write(memory.Span);

    /// <summary>Pinned memory that is only read.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="memory">The memory.</param>
    public static Access Read<T>(PinnedMemory<T> memory)
        where T : unmanaged => memory is null ? throw new ArgumentNullException(nameof(memory)) : Read(memory.Pointer, memory.Bytes);

    /// <summary>Pinned memory that is written, and perhaps read as well.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="memory">The memory.</param>
    public static Access Write<T>(PinnedMemory<T> memory)
        where T : unmanaged => memory is null ? throw new ArgumentNullException(nameof(memory)) : Write(memory.Pointer, memory.Bytes);

    /// <summary>
    /// Keeps the block of a view from being used again before what the stream is given right after this call has run.
    /// </summary>
    internal void NoteUse(Stream stream)
    {
        if (_owner is not null && _owner != stream)
        {
            _owner.Device.Memory.NoteUse(_block, stream);
        }
    }
}

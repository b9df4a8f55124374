using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AiOs.Runtime;

/// <summary>
/// An argument of a <see cref="CudaKernel"/>: a number, or memory. Numbers must have the size of the parameter, so that
/// <c>1</c> is an <c>int</c> and <c>1f</c> a <c>float</c>. Memory counts as written unless it is given as
/// <see cref="Access.Read{T}(DeviceMemory{T})"/>.
/// </summary>
public readonly struct KernelArgument
{
    private const int Capacity = 64;

    private readonly Bytes64 _value;

    private KernelArgument(Bytes64 value, int bytes, Access access, bool isMemory) =>
        (_value, Size, Access, IsMemory) = (value, bytes, access, isMemory);

    /// <summary>Its size in bytes.</summary>
    internal int Size { get; }

    /// <summary>The memory, when it is some.</summary>
    internal Access Access { get; }

    /// <summary>Whether it is memory.</summary>
    internal bool IsMemory { get; }

    /// <summary>A value of any type that the kernel has too, of at most 64 bytes.</summary>
    /// <typeparam name="T">The type.</typeparam>
    /// <param name="value">The value.</param>
    /// <exception cref="ArgumentException">The type is larger than 64 bytes.</exception>
    public static KernelArgument Of<T>(T value)
        where T : unmanaged
    {
        if (Unsafe.SizeOf<T>() > Capacity)
        {
            throw new ArgumentException($"{typeof(T)} has {Unsafe.SizeOf<T>()} bytes, more than the {Capacity} of an argument: give its address", nameof(value));
        }

        var bytes = default(Bytes64);
        MemoryMarshal.Write(MemoryMarshal.AsBytes(new Span<Bytes64>(ref bytes)), value);
        return new KernelArgument(bytes, Unsafe.SizeOf<T>(), default, false);
    }

    /// <summary>A number of 32 bits.</summary>
    /// <param name="value">The number.</param>
    public static implicit operator KernelArgument(int value) => Of(value);

    /// <summary>A number of 32 bits without a sign.</summary>
    /// <param name="value">The number.</param>
    public static implicit operator KernelArgument(uint value) => Of(value);

    /// <summary>A number of 64 bits.</summary>
    /// <param name="value">The number.</param>
    public static implicit operator KernelArgument(long value) => Of(value);

    /// <summary>A number of 64 bits without a sign.</summary>
    /// <param name="value">The number.</param>
    public static implicit operator KernelArgument(ulong value) => Of(value);

    /// <summary>A binary32 number.</summary>
    /// <param name="value">The number.</param>
    public static implicit operator KernelArgument(float value) => Of(value);

    /// <summary>A binary64 number.</summary>
    /// <param name="value">The number.</param>
    public static implicit operator KernelArgument(double value) => Of(value);

    /// <summary>The address of memory.</summary>
    /// <param name="access">The memory, and whether it is written.</param>
    public static implicit operator KernelArgument(Access access)
    {
        var bytes = default(Bytes64);
        MemoryMarshal.Write(MemoryMarshal.AsBytes(new Span<Bytes64>(ref bytes)), access.Address);
        return new KernelArgument(bytes, IntPtr.Size, access, true);
    }

    /// <summary>Copies the value to room of 64 bytes.</summary>
    internal unsafe void Write(void* room) => Unsafe.WriteUnaligned(room, _value);

    [InlineArray(Capacity)]
    private struct Bytes64
    {
        private byte _first;
    }
}

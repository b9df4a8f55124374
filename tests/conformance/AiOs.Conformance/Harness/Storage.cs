using System.Buffers.Binary;
using System.Runtime.InteropServices;
using AiOs.Interop;

namespace AiOs.Conformance.Harness;

/// <summary>Element types as bytes: sizes, rounding, loads and stores, written independently of the library.</summary>
public static class Storage
{
    /// <summary>
    /// Surrounds inputs and fills scratch memory: a NaN in every floating-point type, so that an element read from
    /// outside a buffer spoils the result, and an id far out of range as an integer.
    /// </summary>
    public const ushort InputGuard = 0x7FD5;

    /// <summary>Fills outputs that are not written yet; another NaN, so that a copied guard is told from it.</summary>
    public const ushort Poison = 0x7FC9;

    /// <summary>
    /// Surrounds outputs: an ordinary number, which a kernel that runs over both ends turns into something else, while
    /// a NaN would come out as the same NaN.
    /// </summary>
    public const ushort OutputGuard = 0x3F9D;

    public static int SizeOf(aios_dtype type) => type switch
    {
        aios_dtype.F32 or aios_dtype.I32 => 4,
        aios_dtype.F16 or aios_dtype.Bf16 => 2,
        aios_dtype.I8 or aios_dtype.U8 => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "no such element type"),
    };

    /// <summary>The value that an element of the type holds after <paramref name="value"/> was stored to it.</summary>
    public static double Round(aios_dtype type, double value) => type switch
    {
        aios_dtype.F32 => (float)value,
        aios_dtype.F16 => (double)(Half)value,
        aios_dtype.Bf16 => BitConverter.UInt32BitsToSingle((uint)ToBf16(value) << 16),
        aios_dtype.I32 => (int)value,
        aios_dtype.I8 => (sbyte)value,
        aios_dtype.U8 => (byte)value,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "no such element type"),
    };

    public static void Store(Span<byte> at, aios_dtype type, double value)
    {
        switch (type)
        {
            case aios_dtype.F32: BinaryPrimitives.WriteSingleLittleEndian(at, (float)value); break;
            case aios_dtype.I32: BinaryPrimitives.WriteInt32LittleEndian(at, (int)value); break;
            case aios_dtype.F16: BinaryPrimitives.WriteHalfLittleEndian(at, (Half)value); break;
            case aios_dtype.I8: at[0] = (byte)(sbyte)value; break;
            case aios_dtype.U8: at[0] = (byte)value; break;
            default: BinaryPrimitives.WriteUInt16LittleEndian(at, ToBf16(value)); break;
        }
    }

    public static double Load(ReadOnlySpan<byte> at, aios_dtype type) => type switch
    {
        aios_dtype.F32 => BinaryPrimitives.ReadSingleLittleEndian(at),
        aios_dtype.I32 => BinaryPrimitives.ReadInt32LittleEndian(at),
        aios_dtype.F16 => (double)BinaryPrimitives.ReadHalfLittleEndian(at),
        aios_dtype.I8 => (sbyte)at[0],
        aios_dtype.U8 => at[0],
        _ => BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(at) << 16),
    };

    /// <summary>True when the element still holds <see cref="Poison"/>. A byte holds any number, so it never counts.</summary>
    public static bool IsPoison(ReadOnlySpan<byte> at, aios_dtype type)
    {
        if (SizeOf(type) == 1)
        {
            return false;
        }

        foreach (ushort half in MemoryMarshal.Cast<byte, ushort>(at[..SizeOf(type)]))
        {
            if (half != Poison)
            {
                return false;
            }
        }

        return true;
    }

    public static void Fill(Span<byte> bytes, ushort pattern)
    {
        MemoryMarshal.Cast<byte, ushort>(bytes).Fill(pattern);
        if (bytes.Length % 2 != 0)
        {
            bytes[^1] = (byte)pattern;
        }
    }

    /// <summary>Rounds binary64 to bfloat16 once, to nearest even: by way of binary32 rounded to odd.</summary>
    private static ushort ToBf16(double value)
    {
        if (double.IsNaN(value))
        {
            return 0x7FC0;
        }

        // Rounding to odd keeps the information that the second rounding needs: the last bit says "inexact".
        float single = (float)value;
        uint bits = BitConverter.SingleToUInt32Bits(single);
        if (single != value && !float.IsInfinity(single))
        {
            if (Math.Abs((double)single) > Math.Abs(value))
            {
                bits--;
            }

            bits |= 1;
        }

        bits += 0x7FFF + ((bits >> 16) & 1);
        return (ushort)(bits >> 16);
    }
}

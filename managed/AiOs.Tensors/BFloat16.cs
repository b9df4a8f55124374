namespace AiOs.Tensors;

/// <summary>The upper half of a binary32: 8 bits of exponent, 7 of fraction.</summary>
/// <param name="Bits">The representation.</param>
public readonly record struct BFloat16(ushort Bits)
{
    /// <summary>Rounds to nearest even; a NaN stays one.</summary>
    /// <param name="value">The value.</param>
    public static explicit operator BFloat16(float value) => FromSingle(value);

    /// <summary>Converts exactly.</summary>
    /// <param name="value">The value.</param>
    public static implicit operator float(BFloat16 value) => value.ToSingle();

    /// <summary>Rounds to nearest even; a NaN stays one.</summary>
    /// <param name="value">The value.</param>
    public static BFloat16 FromSingle(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value)
            ? new BFloat16((ushort)((bits >> 16) | 0x40))
            : new BFloat16((ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
    }

    /// <summary>Rounds each value to nearest even; a NaN stays one.</summary>
    /// <param name="values">The values.</param>
    /// <param name="destination">As many elements as <paramref name="values"/>, or more.</param>
    /// <exception cref="ArgumentException">The destination is too short.</exception>
    public static void FromSingles(ReadOnlySpan<float> values, Span<BFloat16> destination)
    {
        if (destination.Length < values.Length)
        {
            throw new ArgumentException($"{values.Length} values do not fit {destination.Length} elements", nameof(destination));
        }

        for (int i = 0; i < values.Length; i++)
        {
            destination[i] = FromSingle(values[i]);
        }
    }

    /// <summary>Converts exactly.</summary>
    public float ToSingle() => BitConverter.UInt32BitsToSingle((uint)Bits << 16);
}

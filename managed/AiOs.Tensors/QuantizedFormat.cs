using AiOs.Interop;

namespace AiOs.Tensors;

/// <summary>
/// How a <see cref="QuantizedTensor"/> stores its weights; the values are those of <c>aios_dtype</c>, whose constants give
/// every layout bit by bit. The blocks from <see cref="Q80"/> on are those of ggml.
/// </summary>
public enum QuantizedFormat
{
    /// <summary>Signed bytes with a binary32 scale for each row. Activations become bytes with a scale for each row (W8A8).</summary>
    Int8 = aios_dtype.I8,

    /// <summary>8-bit floats with four bits of exponent and a binary32 scale for each row; multiplied in binary32.</summary>
    Float8E4M3 = aios_dtype.F8e4m3,

    /// <summary>8-bit floats with five bits of exponent and a binary32 scale for each row; multiplied in binary32.</summary>
    Float8E5M2 = aios_dtype.F8e5m2,

    /// <summary>4-bit codes in groups of columns with a binary16 scale and perhaps a zero point each; multiplied in binary32 (W4A16).</summary>
    Int4 = aios_dtype.I4,

    /// <summary>Blocks of 32 signed bytes, 8.5 bits for a weight.</summary>
    Q80 = aios_dtype.Q80,

    /// <summary>Blocks of 32 with 4 bits around 0, 4.5 bits for a weight.</summary>
    Q40 = aios_dtype.Q40,

    /// <summary>Blocks of 32 with 4 bits above a minimum, 5 bits for a weight.</summary>
    Q41 = aios_dtype.Q41,

    /// <summary>Blocks of 32 with 5 bits around 0, 5.5 bits for a weight.</summary>
    Q50 = aios_dtype.Q50,

    /// <summary>Blocks of 32 with 5 bits above a minimum, 6 bits for a weight.</summary>
    Q51 = aios_dtype.Q51,

    /// <summary>Blocks of 256 with 2 bits in groups of 16, 2.625 bits for a weight.</summary>
    Q2K = aios_dtype.Q2K,

    /// <summary>Blocks of 256 with 3 bits in groups of 16, 3.4375 bits for a weight.</summary>
    Q3K = aios_dtype.Q3K,

    /// <summary>Blocks of 256 with 4 bits in groups of 32, 4.5 bits for a weight.</summary>
    Q4K = aios_dtype.Q4K,

    /// <summary>Blocks of 256 with 5 bits in groups of 32, 5.5 bits for a weight.</summary>
    Q5K = aios_dtype.Q5K,

    /// <summary>Blocks of 256 with 6 bits in groups of 16, 6.5625 bits for a weight.</summary>
    Q6K = aios_dtype.Q6K,

    /// <summary>Blocks of 32 with 4 bits that choose from a table denser around 0, 4.5 bits for a weight.</summary>
    Iq4Nl = aios_dtype.Iq4Nl,
}

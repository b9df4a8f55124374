using AiOs.Interop;

namespace AiOs.Tensors;

/// <summary>
/// Element type of a tensor: the types of <c>aios_dtype</c>, with its values, whose elements stand alone. The quantised
/// ones have no element that could be addressed.
/// </summary>
public enum DType
{
    /// <summary>IEEE 754 binary32 (<see cref="float"/>).</summary>
    F32 = aios_dtype.F32,

    /// <summary>IEEE 754 binary16 (<see cref="Half"/>): storage and casts.</summary>
    F16 = aios_dtype.F16,

    /// <summary>bfloat16 (<see cref="BFloat16"/>): the upper half of a binary32.</summary>
    BF16 = aios_dtype.Bf16,

    /// <summary>32-bit integer (<see cref="int"/>): indices and targets.</summary>
    I32 = aios_dtype.I32,

    /// <summary>8-bit integer (<see cref="sbyte"/>): storage.</summary>
    I8 = aios_dtype.I8,

    /// <summary>8-bit unsigned integer (<see cref="byte"/>): storage.</summary>
    U8 = aios_dtype.U8,

    /// <summary>8-bit float with bias 7 and no infinity (its bits as <see cref="byte"/>): storage.</summary>
    F8E4M3 = aios_dtype.F8e4m3,

    /// <summary>8-bit float, the upper half of a binary16 (its bits as <see cref="byte"/>): storage.</summary>
    F8E5M2 = aios_dtype.F8e5m2,
}

/// <summary>Facts about dtypes.</summary>
public static class DTypes
{
    /// <summary>Size of one element in bytes.</summary>
    /// <param name="dtype">The element type.</param>
    public static int Size(this DType dtype) => dtype switch
    {
        DType.F32 or DType.I32 => 4,
        DType.F16 or DType.BF16 => 2,
        _ => 1,
    };

    /// <summary>True for the types that a gradient can have.</summary>
    /// <param name="dtype">The element type.</param>
    public static bool IsFloating(this DType dtype) => dtype is DType.F32 or DType.F16 or DType.BF16;

    /// <summary>The dtype of a .NET element type.</summary>
    /// <typeparam name="T">float, Half, <see cref="BFloat16"/>, int, sbyte or byte.</typeparam>
    /// <exception cref="NotSupportedException">No dtype stores <typeparamref name="T"/>.</exception>
    public static DType Of<T>()
        where T : unmanaged
    {
        return typeof(T) == typeof(float) ? DType.F32
            : typeof(T) == typeof(int) ? DType.I32
            : typeof(T) == typeof(BFloat16) ? DType.BF16
            : typeof(T) == typeof(Half) ? DType.F16
            : typeof(T) == typeof(sbyte) ? DType.I8
            : typeof(T) == typeof(byte) ? DType.U8
            : throw new NotSupportedException($"no dtype stores {typeof(T)}; use float, Half, BFloat16, int, sbyte or byte");
    }

    internal static aios_dtype Native(this DType dtype) => (aios_dtype)dtype;
}

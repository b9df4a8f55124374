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
}

/// <summary>Facts about dtypes.</summary>
public static class DTypes
{
    /// <summary>Size of one element in bytes.</summary>
    /// <param name="dtype">The element type.</param>
    public static int Size(this DType dtype) => dtype is DType.F32 or DType.I32 ? 4 : 2;

    /// <summary>The dtype of a .NET element type.</summary>
    /// <typeparam name="T">float, Half, <see cref="BFloat16"/> or int.</typeparam>
    /// <exception cref="NotSupportedException">No dtype stores <typeparamref name="T"/>.</exception>
    public static DType Of<T>()
        where T : unmanaged
    {
        return typeof(T) == typeof(float) ? DType.F32
            : typeof(T) == typeof(int) ? DType.I32
            : typeof(T) == typeof(BFloat16) ? DType.BF16
            : typeof(T) == typeof(Half) ? DType.F16
            : throw new NotSupportedException($"no dtype stores {typeof(T)}; use float, Half, BFloat16 or int");
    }

    internal static aios_dtype Native(this DType dtype) => (aios_dtype)dtype;
}

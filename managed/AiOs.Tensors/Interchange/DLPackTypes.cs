using System.Globalization;
using AiOs.Interop;
using AiOs.Runtime;

namespace AiOs.Tensors;

/// <summary>What DLPack calls our dtypes and devices.</summary>
internal static class DLPackTypes
{
    /// <summary>Names of the codes in the specification's order, for messages.</summary>
    private static readonly string[] Codes =
    [
        "int", "uint", "float", "handle", "bfloat", "complex", "bool", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz",
        "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "float6_e2m3fn", "float6_e3m2fn",
        "float4_e2m1fn",
    ];

    private static readonly (DType DType, aios_dlpack_code Code)[] Table =
    [
        (DType.F32, aios_dlpack_code.Float),
        (DType.F16, aios_dlpack_code.Float),
        (DType.BF16, aios_dlpack_code.Bfloat),
        (DType.I32, aios_dlpack_code.Int),
        (DType.I8, aios_dlpack_code.Int),
        (DType.U8, aios_dlpack_code.Uint),
        (DType.F8E4M3, aios_dlpack_code.Float8E4m3fn),
        (DType.F8E5M2, aios_dlpack_code.Float8E5m2),
    ];

    /// <summary>The type of an element in DLPack's words.</summary>
    public static aios_dlpack_dtype Of(DType dtype) => new()
    {
        code = Array.Find(Table, row => row.DType == dtype).Code,
        bits = (byte)(8 * dtype.Size()),
        lanes = 1,
    };

    /// <summary>The dtype that stores elements of DLPack's type; null when none does.</summary>
    public static DType? From(aios_dlpack_dtype type)
    {
        foreach ((DType dtype, aios_dlpack_code code) in Table)
        {
            if (type.code == code && type.bits == 8 * dtype.Size() && type.lanes == 1)
            {
                return dtype;
            }
        }

        return null;
    }

    /// <summary>A type of DLPack for messages: int64, complex128, float32x4.</summary>
    public static string Text(aios_dlpack_dtype type)
    {
        int code = (int)type.code;
        string name = code < Codes.Length ? Codes[code] : string.Create(CultureInfo.InvariantCulture, $"code {code} of ");
        string bits = name.Contains('_', StringComparison.Ordinal) ? "" : string.Create(CultureInfo.InvariantCulture, $"{type.bits}");
        string lanes = type.lanes == 1 ? "" : string.Create(CultureInfo.InvariantCulture, $"x{type.lanes}");
        return name + bits + lanes;
    }

    /// <summary>True when work of the device can use memory that DLPack says lies there.</summary>
    public static bool Reaches(Device device, aios_dlpack_device from)
    {
        aios_dlpack_device own = device.Driver.InterchangeDevice;
        return own.type == aios_dlpack_device_type.Cpu
            ? from.type is aios_dlpack_device_type.Cpu or aios_dlpack_device_type.CudaHost or aios_dlpack_device_type.RocmHost
            : from.type == own.type && from.id == own.id;
    }

    /// <summary>A device of DLPack for messages.</summary>
    public static string Text(aios_dlpack_device device) => Enum.IsDefined(device.type)
        ? string.Create(CultureInfo.InvariantCulture, $"{device.type} {device.id}")
        : string.Create(CultureInfo.InvariantCulture, $"a device of type {(int)device.type}");
}

using System.Runtime.InteropServices;
using AiOs.Interop;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>What the driver's results mean to the runtime.</summary>
internal static unsafe class CudaErrors
{
    /// <summary>The status that a result becomes.</summary>
    public static aios_status Status(CUresult result) => result switch
    {
        CUresult.Success => aios_status.Ok,
        CUresult.ErrorNotReady => aios_status.NotReady,
        CUresult.ErrorOutOfMemory => aios_status.OutOfMemory,
        CUresult.ErrorInvalidValue or CUresult.ErrorInvalidHandle or CUresult.ErrorInvalidContext or CUresult.ErrorInvalidDevice
            or CUresult.ErrorIllegalState or CUresult.ErrorNotPermitted or CUresult.ErrorGraphExecUpdateFailure
            or (>= CUresult.ErrorStreamCaptureUnsupported and <= CUresult.ErrorStreamCaptureWrongThread) => aios_status.InvalidArgument,
        CUresult.ErrorNotSupported or CUresult.ErrorNoBinaryForGpu or CUresult.ErrorInvalidPtx or CUresult.ErrorUnsupportedPtxVersion => aios_status.Unimplemented,
        _ => aios_status.ExecutionFailed,
    };

    /// <summary>Whether every later call of the process's context fails as well.</summary>
    public static bool IsFatal(CUresult result) => IsLost(result) || result is
        CUresult.ErrorIllegalAddress or CUresult.ErrorLaunchTimeout or CUresult.ErrorAssert or CUresult.ErrorHardwareStackError
        or CUresult.ErrorIllegalInstruction or CUresult.ErrorMisalignedAddress or CUresult.ErrorInvalidAddressSpace
        or CUresult.ErrorInvalidPc or CUresult.ErrorLaunchFailed;

    /// <summary>Whether the device is gone, by no fault of a kernel.</summary>
    public static bool IsLost(CUresult result) => result is
        CUresult.ErrorDeviceUnavailable or CUresult.ErrorEccUncorrectable or CUresult.ErrorNvlinkUncorrectable
        or CUresult.ErrorContextIsDestroyed or CUresult.ErrorUnknown;

    /// <summary>What a result says, where the driver's own words would leave the reader alone.</summary>
    public static string Describe(CudaTable cuda, CUresult result) => result switch
    {
        CUresult.ErrorStreamCaptureUnsupported => "the stream is being captured: it cannot be waited for or asked before the capture ends",
        CUresult.ErrorStreamCaptureUnjoined => "a stream that was drawn into the capture was not joined by an event that goes back",
        CUresult.ErrorStreamCaptureInvalidated => "an earlier error ended the capture",
        CUresult.ErrorStreamCaptureIsolation => "a stream that is being captured cannot wait for work outside the capture",
        CUresult.ErrorNoBinaryForGpu => "the library has no kernels for this device",
        _ => $"{Name(cuda, result)}: {Text(cuda, result)}",
    };

    /// <summary>Its name in the header, such as CUDA_ERROR_ILLEGAL_ADDRESS.</summary>
    public static string Name(CudaTable cuda, CUresult result)
    {
        byte* name = null;
        return cuda.cuGetErrorName(result, &name) == CUresult.Success ? Marshal.PtrToStringUTF8((nint)name)! : $"error {(int)result}";
    }

    private static string Text(CudaTable cuda, CUresult result)
    {
        byte* text = null;
        return cuda.cuGetErrorString(result, &text) == CUresult.Success ? Marshal.PtrToStringUTF8((nint)text)! : "unknown to this driver";
    }
}

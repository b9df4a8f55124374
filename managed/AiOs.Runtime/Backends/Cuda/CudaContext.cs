using System.Runtime.CompilerServices;
using AiOs.Interop;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>
/// The primary context of a device: retained once for the life of the process, made current to a thread at its first
/// call, and the place where results become statuses and the texts of the calling thread's last failure.
/// </summary>
internal sealed unsafe class CudaContext
{
    private static readonly Dictionary<(CudaLibraries, int), CudaContext> s_contexts = [];

    [ThreadStatic]
    private static nint t_current;

    [ThreadStatic]
    private static string? t_error;

    private CUresult _fatal;

    private CudaContext(CudaLibraries libraries, int index)
    {
        Libraries = libraries;
        Index = index;
        CUdevice device = default;
        CUcontext context = default;
        Require(Cuda.cuDeviceGet(&device, index), "cuDeviceGet");
        Require(Cuda.cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
        (Device, Handle) = (device, context);
    }

    public CudaLibraries Libraries { get; }

    public CudaTable Cuda => Libraries.Cuda!;

    /// <summary>The device's number.</summary>
    public int Index { get; }

    public CUdevice Device { get; }

    public CUcontext Handle { get; }

    /// <summary>What made every later call fail; success as long as nothing has.</summary>
    public CUresult Fatal => _fatal;

    /// <summary>Raised once, when the context has failed, by the thread that noticed.</summary>
    public event Action? Failed;

    /// <summary>Text of the calling thread's last failure.</summary>
    public static string LastError => t_error ?? "";

    /// <summary>
    /// Why the calling thread's launch has failed. A launch does not wait for its kernel, so one that finds the context failed is
    /// not to blame, and is not named: what came before it is, as far as the driver tells.
    /// </summary>
    /// <param name="own">What is to be said when the context has not failed.</param>
    public string ExplainLaunch(string own) => _fatal == CUresult.Success ? own : $"earlier work has failed: {LastError}";

    /// <summary>The context of a device.</summary>
    /// <exception cref="BackendException">The driver gives none.</exception>
    public static CudaContext Of(CudaLibraries libraries, int index)
    {
        lock (s_contexts)
        {
            if (!s_contexts.TryGetValue((libraries, index), out CudaContext? context))
            {
                context = new CudaContext(libraries, index);
                s_contexts.Add((libraries, index), context);
            }

            return context;
        }
    }

    /// <summary>Makes the context the calling thread's.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Enter()
    {
        if (t_current != Handle.Value)
        {
            MakeCurrent();
        }
    }

    /// <summary>The status of a result; a failure leaves its text.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public aios_status Fold(CUresult result) => result == CUresult.Success ? aios_status.Ok : Fail(result);

    /// <summary>Leaves a text of the runtime's own.</summary>
    public static aios_status Fail(aios_status status, string text)
    {
        t_error = text;
        return status;
    }

    /// <summary>Throws when a call without which the device cannot be used has failed.</summary>
    public void Require(CUresult result, string call)
    {
        if (Fold(result) is var status && status != aios_status.Ok)
        {
            throw new BackendException(status, call, $"{call}: {LastError}");
        }
    }

    /// <summary>A property of the device.</summary>
    public int Attribute(CUdevice_attribute attribute)
    {
        int value = 0;
        _ = Cuda.cuDeviceGetAttribute(&value, attribute, Device);
        return value;
    }

    private void MakeCurrent()
    {
        _ = Cuda.cuCtxSetCurrent(Handle);
        t_current = Handle.Value;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private aios_status Fail(CUresult result)
    {
        if (result == CUresult.ErrorNotReady)
        {
            return aios_status.NotReady;
        }

        string report = CudaErrors.IsFatal(result) ? Libraries.Report() : "";
        t_error = report.Length > 0 ? $"{CudaErrors.Name(Cuda, result)}: {report}" : CudaErrors.Describe(Cuda, result);
        if (CudaErrors.IsFatal(result))
        {
            t_error += CudaErrors.IsLost(result)
                ? "; the device is lost to this process: start it again"
                : "; the device takes no more work from this process: start it again";
            if (Interlocked.CompareExchange(ref _fatal, result, CUresult.Success) == CUresult.Success)
            {
                Failed?.Invoke();
            }
        }

        return CudaErrors.Status(result);
    }
}

using System.Globalization;
using System.Runtime.InteropServices;
using AiOs.Interop;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>The libraries of a CUDA backend: the driver and the kernels, which the simulator has in one.</summary>
/// <param name="Cuda">The driver; null when it cannot be used.</param>
/// <param name="Kernels">Handle of the library with the kernels.</param>
/// <param name="Path">The library with the kernels.</param>
/// <param name="Tried">Every place that was looked at.</param>
/// <param name="Problem">Why they cannot be used; null when they can.</param>
/// <param name="Fix">What to do.</param>
internal sealed unsafe record CudaLibraries(
    CudaTable? Cuda, nint Kernels, string? Path, IReadOnlyList<(string Path, string Outcome)> Tried, string? Problem, string? Fix)
{
    /// <summary>The oldest driver that has every function used here, as the driver counts.</summary>
    private const int OldestDriver = 12_000;

    private const string Driver = "libcuda.so.1";
    private const string Loaded = "loaded";
    private const string DriverFix = "install an NVIDIA driver of at least version 525 (CUDA 12.0); the backends cpu and cuda-sim need none";

    /// <summary>Whether the driver and everything that goes with it is the simulator.</summary>
    public bool IsSimulated { get; private init; }

    /// <summary>The driver's version of CUDA, as the driver counts; 0 when there is no driver.</summary>
    public int DriverVersion { get; private init; }

    /// <summary>Whether there is a driver, usable or not.</summary>
    public bool HasDriver => IsSimulated || Tried.Contains((Driver, Loaded));

    /// <summary>Looks for the driver of the machine and the kernels that nvcc compiled. Never throws.</summary>
    public static CudaLibraries Real()
    {
        List<(string, string)> tried = [];
        if (!NativeLibrary.TryLoad(Driver, out nint driver))
        {
            tried.Add((Driver, "not found"));
            return new CudaLibraries(null, 0, null, tried, $"{Driver}, the NVIDIA driver, was not found", DriverFix);
        }

        tried.Add((Driver, Loaded));
        CudaLibraries opened = Open(driver, Driver, tried);
        if (opened.Problem is not null)
        {
            return opened;
        }

        LibraryProbe kernels = NativeLibraries.Probe("aios_cuda");
        tried.AddRange(kernels.Tried);
        return kernels.Found
            ? opened with { Kernels = kernels.Handle, Path = kernels.Path }
            : opened with { Cuda = null, Problem = kernels.Problem, Fix = $"{kernels.Fix} on a machine with nvcc (eng/cuda-toolkit.sh unpacks one)" };
    }

    /// <summary>Looks for the simulator. Never throws.</summary>
    public static CudaLibraries Simulated()
    {
        LibraryProbe library = NativeLibraries.Probe("aios_cudasim");
        return library.Found
            ? Open(library.Handle, library.Path!, library.Tried) with { Kernels = library.Handle, Path = library.Path, IsSimulated = true }
            : new CudaLibraries(null, 0, null, library.Tried, library.Problem, library.Fix);
    }

    /// <summary>The simulator's account of what went wrong last; empty for the real driver, which gives none.</summary>
    public string Report() => NativeLibrary.TryGetExport(Kernels, "aios_cudasim_last_report", out nint function)
        ? Marshal.PtrToStringUTF8(((delegate* unmanaged[Cdecl]<nint>)function)()) ?? ""
        : "";

    private static CudaLibraries Open(nint library, string path, IReadOnlyList<(string, string)> tried)
    {
        CudaLibraries none = new(null, library, path, tried, null, null);
        if (!NativeLibrary.TryGetExport(library, "cuDriverGetVersion", out nint getVersion))
        {
            return none with { Problem = $"{path} is no CUDA driver: it lacks cuDriverGetVersion", Fix = DriverFix };
        }

        int version = 0;
        _ = ((delegate* unmanaged[Cdecl]<int*, CUresult>)getVersion)(&version);
        none = none with { DriverVersion = version };
        if (version < OldestDriver)
        {
            return none with { Problem = $"the driver supports CUDA {Dotted(version)}, but {Dotted(OldestDriver)} is needed", Fix = DriverFix };
        }

        CudaTable cuda;
        try
        {
            cuda = new CudaTable(library, path);
        }
        catch (EntryPointNotFoundException error)
        {
            return none with { Problem = error.Message, Fix = DriverFix };
        }

        CUresult result = cuda.cuInit(0);
        if (result == CUresult.Success)
        {
            return none with { Cuda = cuda };
        }

        string report = none.Report();
        return none with
        {
            Problem = result == CUresult.ErrorNoDevice
                ? "the driver found no device"
                : $"the driver cannot start: {(report.Length > 0 ? report : CudaErrors.Describe(cuda, result))}",
            Fix = result == CUresult.ErrorNoDevice
                ? "check that nvidia-smi lists a GPU, that this process may open /dev/nvidia*, and that CUDA_VISIBLE_DEVICES does not hide it"
                : "check that nvidia-smi works and that the variable that is named, if any, has a value that is possible",
        };
    }

    private static string Dotted(int version) =>
        string.Create(CultureInfo.InvariantCulture, $"{version / 1000}.{version % 1000 / 10}");
}

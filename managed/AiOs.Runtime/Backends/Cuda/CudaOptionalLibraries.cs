using System.Globalization;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>Which of the libraries around the driver are there, and what version they say they have.</summary>
internal static unsafe class CudaOptionalLibraries
{
    /// <summary>A library of the CUDA toolkit.</summary>
    /// <param name="Name">What it is called.</param>
    /// <param name="Files">Its file names, the preferred one first.</param>
    /// <param name="Function">The function that tells its version.</param>
    /// <param name="Version">Asks the library of a handle; the second argument is for messages.</param>
    /// <param name="Use">What needs it.</param>
    /// <param name="Package">The toolkit's package with it.</param>
    private sealed record Candidate(
        string Name, IReadOnlyList<string> Files, string Function, Func<nint, string, string> Version, string Use, string Package);

    private static readonly Candidate[] Toolkit =
    [
        new("NVRTC", NvrtcTable.LibraryNames, "nvrtcVersion", NvrtcVersion, "CudaKernel.Compile needs it", "nvrtc"),
        new("nvJitLink", NvJitLinkTable.LibraryNames, "nvJitLinkVersion", NvJitLinkVersion, "only programs that link kernels at run time need it", "nvjitlink"),
    ];

    /// <summary>Looks for the libraries; of the simulator only those that it has itself. Never throws.</summary>
    public static IReadOnlyList<OptionalLibrary> Find(CudaLibraries libraries, NvmlLibrary nvml) =>
    [
        new("NVML", nvml.Version, "Device.ReadSensors needs it", nvml.Problem, nvml.Problem is null ? null : "install the driver's package with libnvidia-ml.so.1"),
        .. Toolkit.Select(candidate => Find(libraries, candidate)).Where(found => found.Problem is null || !libraries.IsSimulated),
        Cupti(CuptiLibraries.Of(libraries)),
    ];

    private static OptionalLibrary Find(CudaLibraries libraries, Candidate candidate)
    {
        (nint handle, string name) = VendorLibrary.Find(libraries, candidate.Files, candidate.Function);
        string fix = VendorLibrary.ToolkitFix(candidate.Package);
        try
        {
            return handle == 0
                ? new OptionalLibrary(candidate.Name, null, candidate.Use, "not found", fix)
                : new OptionalLibrary(candidate.Name, candidate.Version(handle, name), candidate.Use, null, null);
        }
        catch (EntryPointNotFoundException error)
        {
            return new OptionalLibrary(candidate.Name, null, candidate.Use, error.Message, fix);
        }
    }

    private static string NvrtcVersion(nint handle, string path)
    {
        int major = 0, minor = 0;
        _ = new NvrtcTable(handle, path).nvrtcVersion(&major, &minor);
        return Dotted(major, minor);
    }

    private static string NvJitLinkVersion(nint handle, string path)
    {
        uint major = 0, minor = 0;
        _ = new NvJitLinkTable(handle, path).nvJitLinkVersion(&major, &minor);
        return Dotted((int)major, (int)minor);
    }

    /// <summary>CUPTI, which is among the extras of a toolkit and is looked for there by those who use it.</summary>
    private static OptionalLibrary Cupti(CuptiLibraries library)
    {
        uint version = 0;
        string? text = library.Preferred is { } cupti && cupti.cuptiGetVersion(&version) == CUptiResult.Success
            ? string.Create(CultureInfo.InvariantCulture, $"API {version}") : null;
        return new OptionalLibrary("CUPTI", text, "traces need it to show what ran on the device", library.Problem, null);
    }

    private static string Dotted(int major, int minor) => string.Create(CultureInfo.InvariantCulture, $"{major}.{minor}");
}

using System.Runtime.InteropServices;

namespace AiOs.Runtime;

/// <summary>Libraries of NVIDIA's that a program can do without: the simulator's own, or those of the machine.</summary>
internal static class VendorLibrary
{
    /// <summary>Looks for a library. It stays loaded.</summary>
    /// <param name="libraries">The backend: what the simulator exports is taken from it.</param>
    /// <param name="names">Its file names, the preferred one first.</param>
    /// <param name="function">A function that it exports.</param>
    /// <returns>The library's handle and the name it was found by; 0 when there is none.</returns>
    public static (nint Handle, string Name) Find(CudaLibraries libraries, IReadOnlyList<string> names, string function)
    {
        if (libraries.Kernels != 0 && NativeLibrary.TryGetExport(libraries.Kernels, function, out _))
        {
            return (libraries.Kernels, libraries.Path!);
        }

        foreach (string name in names)
        {
            if (!libraries.IsSimulated && NativeLibrary.TryLoad(name, out nint library))
            {
                return (library, name);
            }
        }

        return (0, names[0]);
    }

    /// <summary>What to do when a library of the CUDA toolkit is missing.</summary>
    /// <param name="package">The toolkit's package with it.</param>
    public static string ToolkitFix(string package) =>
        $"install the CUDA toolkit or its package {package}, and name its directory in LD_LIBRARY_PATH";
}

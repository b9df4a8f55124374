using System.Runtime.InteropServices;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>CUPTI, which tells what ran on a device and when. A trace can do without it.</summary>
/// <param name="Cupti">Its functions; null when it was not found.</param>
/// <param name="Tried">Every place that was looked at.</param>
/// <param name="Problem">Why it cannot be used and what to do, in one line; null when it can.</param>
internal sealed record CuptiLibrary(CuptiTable? Cupti, IReadOnlyList<(string Path, string Outcome)> Tried, string? Problem)
{
    private static readonly Dictionary<nint, CuptiLibrary> s_known = [];

    /// <summary>The simulator's own, or that of the machine. Never throws; the answer is kept for the life of the process.</summary>
    public static CuptiLibrary Of(CudaLibraries libraries)
    {
        lock (s_known)
        {
            if (!s_known.TryGetValue(libraries.Kernels, out CuptiLibrary? library))
            {
                library = libraries.Kernels != 0 && NativeLibrary.TryGetExport(libraries.Kernels, "cuptiActivityEnable", out _)
                    ? new CuptiLibrary(new CuptiTable(libraries.Kernels, libraries.Path!), [], null)
                    : Search(Candidates(["AIOS_CUDA_HOME", "CUDA_HOME"]));
                s_known.Add(libraries.Kernels, library);
            }

            return library;
        }
    }

    /// <summary>
    /// The paths at which it is looked for, in order: by name in the loader's path, then in toolkits, where it is among the
    /// extras.
    /// </summary>
    /// <param name="variables">Environment variables that may name a toolkit's folder.</param>
    internal static IReadOnlyList<string> Candidates(IEnumerable<string> variables)
    {
        IEnumerable<string> homes = variables.Select(Environment.GetEnvironmentVariable).OfType<string>().Where(home => home.Length > 0).Append("/usr/local/cuda");
        string[] folders = [.. homes.Distinct().SelectMany(home => new[] { Path.Combine(home, "extras", "CUPTI", "lib64"), Path.Combine(home, "lib64") })];
        return [.. CuptiTable.LibraryNames, .. folders.SelectMany(folder => CuptiTable.LibraryNames.Select(name => Path.Combine(folder, name)))];
    }

    /// <summary>Tries paths in order until a library fits.</summary>
    /// <param name="candidates">Full paths; a bare file name is looked for where the system looks.</param>
    internal static CuptiLibrary Search(IReadOnlyList<string> candidates)
    {
        var tried = new List<(string Path, string Outcome)>();
        string? rejected = null;
        foreach (string path in candidates)
        {
            if (!NativeLibrary.TryLoad(path, out nint handle))
            {
                bool exists = File.Exists(path);
                tried.Add((path, exists ? "cannot be loaded" : "not found"));
                rejected ??= exists ? $"{path} cannot be loaded" : null;
                continue;
            }

            try
            {
                var cupti = new CuptiTable(handle, path);
                tried.Add((path, "loaded"));
                return new CuptiLibrary(cupti, tried, null);
            }
            catch (EntryPointNotFoundException error)
            {
                NativeLibrary.Free(handle);
                tried.Add((path, error.Message));
                rejected ??= error.Message;
            }
        }

        return new CuptiLibrary(null, tried, $"{rejected ?? $"libcupti was not found in {tried.Count} places"}; install cuda-cupti or set CUDA_HOME");
    }
}

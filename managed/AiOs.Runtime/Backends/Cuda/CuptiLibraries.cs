using System.Globalization;
using System.Runtime.InteropServices;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>
/// CUPTI, which tells what ran on a device and when. A trace can do without it. A machine may have that of several toolkits, and
/// not each works with its driver: they are looked for one by one, until one is willing to listen.
/// </summary>
/// <param name="candidates">Where it may be, the preferred place first; a bare file name is looked for where the system looks.</param>
/// <param name="driver">The driver's version of CUDA, as the driver counts.</param>
internal sealed class CuptiLibraries(IReadOnlyList<string> candidates, int driver)
{
    private static readonly Dictionary<nint, CuptiLibraries> s_known = [];

    private readonly Lock _gate = new();
    private readonly List<(string Path, CuptiTable Cupti)> _found = [];
    private readonly List<string> _spoiled = [];
    private readonly HashSet<nint> _loaded = [];
    private int _next;

    /// <summary>A library's answer when it will not listen.</summary>
    /// <param name="Result">What it returned.</param>
    /// <param name="Reason">The call and the result in words.</param>
    internal readonly record struct Refusal(CUptiResult Result, string Reason);

    /// <summary>The one that is preferred of those that can be loaded; null when there is none.</summary>
    public CuptiTable? Preferred => At(0)?.Cupti;

    /// <summary>Why none can be loaded and what to do, in one line; null when one can.</summary>
    public string? Problem => Preferred is null ? Describe([]) : null;

    /// <summary>The simulator's own, or those of the machine. Never throws; they are kept for the life of the process.</summary>
    public static CuptiLibraries Of(CudaLibraries libraries)
    {
        lock (s_known)
        {
            if (!s_known.TryGetValue(libraries.Kernels, out CuptiLibraries? known))
            {
                bool own = libraries.Kernels != 0 && NativeLibrary.TryGetExport(libraries.Kernels, "cuptiActivityEnable", out _);
                int driver = libraries.DriverVersion;
                known = new CuptiLibraries(own ? [libraries.Path!] : Candidates(["AIOS_CUDA_HOME", "CUDA_HOME"], driver), driver);
                s_known.Add(libraries.Kernels, known);
            }

            return known;
        }
    }

    /// <summary>
    /// The paths at which it is looked for, in order: first all of the driver's major version, which fits it, then the others;
    /// each by name in the loader's path and then in toolkits, where it is among the extras.
    /// </summary>
    /// <param name="variables">Environment variables that may name a toolkit's folder.</param>
    /// <param name="driver">The driver's version of CUDA, as the driver counts.</param>
    internal static IReadOnlyList<string> Candidates(IEnumerable<string> variables, int driver)
    {
        IEnumerable<string> homes = variables.Select(Environment.GetEnvironmentVariable).OfType<string>().Where(home => home.Length > 0).Append("/usr/local/cuda");
        string[] folders = ["", .. homes.Distinct().SelectMany(home => new[] { Path.Combine(home, "extras", "CUPTI", "lib64"), Path.Combine(home, "lib64") })];
        string fitting = string.Create(CultureInfo.InvariantCulture, $".so.{Major(driver)}");
        return
        [
            .. CuptiTable.LibraryNames.OrderByDescending(name => name.EndsWith(fitting, StringComparison.Ordinal))
                .SelectMany(name => folders.Select(folder => Path.Combine(folder, name))),
        ];
    }

    /// <summary>Asks one library after the other to listen until one does.</summary>
    /// <param name="listen">Begins to listen with a library, and says why it will not; null when it does.</param>
    /// <returns>Null, or why each of them does not, and what to do, in one line.</returns>
    public string? Ask(Func<CuptiTable, Refusal?> listen)
    {
        var refusals = new List<(string Path, Refusal Refusal)>();
        for (int i = 0; At(i) is { } library; i++)
        {
            if (listen(library.Cupti) is not { } refusal)
            {
                return null;
            }

            refusals.Add((library.Path, refusal));
        }

        return Describe(refusals);
    }

    private static int Major(int version) => version / 1000;

    /// <summary>The library of a number, of those that can be loaded; each is loaded when it is first asked for.</summary>
    private (string Path, CuptiTable Cupti)? At(int index)
    {
        lock (_gate)
        {
            while (_found.Count <= index && _next < candidates.Count)
            {
                Load(candidates[_next++]);
            }

            return index < _found.Count ? _found[index] : null;
        }
    }

    /// <summary>Loads a library for good, so that its handle tells when another path leads to it.</summary>
    private void Load(string path)
    {
        if (!NativeLibrary.TryLoad(path, out nint handle))
        {
            if (File.Exists(path))
            {
                _spoiled.Add($"{path} cannot be loaded");
            }
        }
        else if (_loaded.Add(handle))
        {
            try
            {
                _found.Add((path, new CuptiTable(handle, path)));
            }
            catch (EntryPointNotFoundException error)
            {
                _spoiled.Add(error.Message);
            }
        }
    }

    private string Describe(IReadOnlyList<(string Path, Refusal Refusal)> refusals)
    {
        IEnumerable<string> problems = [.. refusals.Select(refused => $"{refused.Path}: {refused.Refusal.Reason}"), .. _spoiled];
        string what = string.Join(", ", problems.DefaultIfEmpty(string.Create(CultureInfo.InvariantCulture, $"libcupti was not found in {candidates.Count} places")));
        return refusals.Any(refused => refused.Refusal.Result == CUptiResult.ErrorMultipleSubscribersNotSupported)
            ? $"{what}; end other profilers of this process"
            : string.Create(CultureInfo.InvariantCulture, $"{what}; install cuda-cupti of CUDA {Major(driver)} or set CUDA_HOME");
    }
}

using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace AiOs.Interop;

/// <summary>
/// Finds the native libraries of this repository. A library is looked for in the directories that the environment
/// variable AIOS_LIBRARY_PATH lists, next to the application, in its <c>runtimes/&lt;rid&gt;/native</c>, and where the
/// system looks. Only a library that was built from the same headers as these bindings is accepted.
/// </summary>
public static class NativeLibraries
{
    /// <summary>The environment variable with directories to search first, separated as in PATH.</summary>
    public const string SearchPathVariable = "AIOS_LIBRARY_PATH";

    private static readonly ConcurrentDictionary<string, Lazy<LibraryProbe>> s_probes = new(StringComparer.Ordinal);

    /// <summary>
    /// Looks for a library. The answer is kept for the life of the process. Safe to call from several threads.
    /// </summary>
    /// <param name="name">Name without <c>lib</c> and extension, such as <c>aios_cpu</c>.</param>
    /// <returns>The loaded library, or why there is none.</returns>
    public static LibraryProbe Probe(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return s_probes.GetOrAdd(name, static key => new Lazy<LibraryProbe>(
            () => Search(key, Candidates(key, Environment.GetEnvironmentVariable(SearchPathVariable))))).Value;
    }

    /// <summary>The paths at which a library is looked for, in order.</summary>
    /// <param name="name">Name without <c>lib</c> and extension.</param>
    /// <param name="searchPath">Value of <see cref="SearchPathVariable"/>, or null.</param>
    internal static IReadOnlyList<string> Candidates(string name, string? searchPath)
    {
        string file = FileName(name);
        string[] directories =
        [
            .. (searchPath ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
            AppContext.BaseDirectory,
            Path.Combine(AppContext.BaseDirectory, "runtimes", RuntimeInformation.RuntimeIdentifier, "native"),
        ];
        return [.. directories.Select(directory => Path.GetFullPath(Path.Combine(directory, file))).Distinct(), file];
    }

    /// <summary>Tries paths in order until a library fits.</summary>
    /// <param name="name">Name for the report.</param>
    /// <param name="candidates">Full paths; a bare file name is looked for where the system looks.</param>
    internal static LibraryProbe Search(string name, IReadOnlyList<string> candidates)
    {
        var tried = new List<(string Path, string Outcome)>();
        (string Path, Rejection Why)? rejected = null;
        foreach (string path in candidates)
        {
            if (Path.IsPathRooted(path) && !File.Exists(path))
            {
                tried.Add((path, "no such file"));
                continue;
            }

            nint handle;
            try
            {
                handle = NativeLibrary.Load(path);
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
            {
                string outcome = LoaderMessage(e.Message);
                tried.Add((path, outcome));
                if (Path.IsPathRooted(path))
                {
                    rejected ??= (path, new Rejection($"cannot be loaded: {outcome}", "rebuild it with: dotnet build"));
                }

                continue;
            }

            if (Inspect(handle) is Rejection why)
            {
                NativeLibrary.Free(handle);
                tried.Add((path, why.Problem));
                rejected ??= (path, why);
                continue;
            }

            tried.Add((path, "loaded"));
            return new LibraryProbe(name, true, path, handle, tried, null, null);
        }

        return rejected is var (file, reason)
            ? new LibraryProbe(name, false, null, 0, tried, $"{file} {reason.Problem}", reason.Fix)
            : new LibraryProbe(
                name, false, null, 0, tried, $"{FileName(name)} was not found in any of {tried.Count} places",
                $"build it with: dotnet build, or name its directory in {SearchPathVariable}");
    }

    // Why a loaded library cannot be used; null when it can.
    private static unsafe Rejection? Inspect(nint handle)
    {
        AiosTable table;
        try
        {
            table = new AiosTable(handle, "it");
        }
        catch (EntryPointNotFoundException e)
        {
            return new Rejection($"is not a library of AiOs.Native: {e.Message}", "remove it, or rebuild it with: dotnet build");
        }

        int version = table.aios_abi_version();
        if (version != AiosConstants.AIOS_ABI_VERSION)
        {
            return new Rejection(
                $"has ABI version {version}, but these bindings need {AiosConstants.AIOS_ABI_VERSION}",
                version < AiosConstants.AIOS_ABI_VERSION ? "rebuild the library with: dotnet build" : "rebuild the managed projects with: dotnet build");
        }

        string hash = Marshal.PtrToStringUTF8((nint)table.aios_header_hash()) ?? "";
        return hash == Providers.HeaderHash
            ? null
            : new Rejection(
                $"was built from headers with hash {(hash.Length == 0 ? "(none)" : hash)}, but these bindings from {Providers.HeaderHash}",
                "rebuild both sides with: dotnet run --project interop-gen -- generate && dotnet build");
    }

    private static string FileName(string name) =>
        OperatingSystem.IsWindows() ? $"{name}.dll" : OperatingSystem.IsMacOS() ? $"lib{name}.dylib" : $"lib{name}.so";

    // The runtime puts general advice into the first line, and what the system's loader said into those that follow.
    private static string LoaderMessage(string message)
    {
        string[] lines = message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return string.Join("; ", lines.Skip(lines.Length > 1 ? 1 : 0).Distinct());
    }

    private sealed record Rejection(string Problem, string Fix);
}

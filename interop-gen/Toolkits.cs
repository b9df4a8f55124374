using AiOs.InteropGen.Model;

namespace AiOs.InteropGen;

/// <summary>
/// Headers that are not in the repository: those of toolkits that <c>eng/cuda-toolkit.sh</c> unpacks into the user's cache,
/// of exactly the version that the committed bindings were made from.
/// </summary>
/// <param name="cache">The folder that holds the toolkits.</param>
public sealed class Toolkits(string cache)
{
    private static readonly string[] s_kinds = ["-headers", ""];

    /// <summary>The toolkits in this user's cache.</summary>
    public static Toolkits OfUser()
    {
        string home = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache
            ? cache : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return new Toolkits(Path.Combine(home, "aios"));
    }

    /// <summary>Gives a manifest the paths of its toolkit's headers.</summary>
    /// <param name="manifest">The manifest.</param>
    /// <returns>The manifest, or null when its toolkit is not there.</returns>
    public Manifest? Locate(Manifest manifest)
    {
        if (manifest.Toolkit.Length == 0)
        {
            return manifest;
        }

        string? folder = s_kinds.Select(kind => Path.Combine(cache, manifest.Toolkit + kind, "include")).FirstOrDefault(Directory.Exists);
        return folder is null ? null : manifest.Within(folder);
    }
}

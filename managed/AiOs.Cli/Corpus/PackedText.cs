using System.Reflection;

namespace AiOs.Cli.Corpus;

/// <summary>The repository's own text, packed into the assembly at build.</summary>
internal static class PackedText
{
    private const string Prefix = "text/";

    /// <summary>
    /// The paths of the files, in the order in which <see cref="Read"/> puts them together: that of a hash of the path, so
    /// that the end of the text, which validates, is a fair sample of all kinds of files.
    /// </summary>
    public static IReadOnlyList<string> Files { get; } =
    [
        .. Assembly.GetManifestResourceNames()
            .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal))
            .Select(name => name[Prefix.Length..])
            .OrderBy(Mix)
            .ThenBy(file => file, StringComparer.Ordinal),
    ];

    /// <summary>FNV-1a of a path.</summary>
    private static uint Mix(string path) => path.Aggregate(2166136261u, (hash, character) => unchecked((hash ^ character) * 16777619u));

    private static Assembly Assembly => typeof(PackedText).Assembly;

    /// <summary>The bytes of all files (UTF-8), one after the other.</summary>
    public static byte[] Read()
    {
        using MemoryStream text = new();
        foreach (string file in Files)
        {
            using Stream resource = Assembly.GetManifestResourceStream(Prefix + file)!;
            resource.CopyTo(text);
        }

        return text.ToArray();
    }
}

using System.Reflection;

namespace AiOs.Cli.Corpus;

/// <summary>The repository's own text, packed into the assembly at build.</summary>
internal static class PackedText
{
    private const string Prefix = "text/";

    /// <summary>The paths of the files, in the order in which <see cref="Read"/> puts them together.</summary>
    public static IReadOnlyList<string> Files { get; } =
    [
        .. Assembly.GetManifestResourceNames()
            .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal))
            .Select(name => name[Prefix.Length..])
            .Order(StringComparer.Ordinal),
    ];

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

using AiOs.InteropGen.Model;

namespace AiOs.InteropGen;

/// <summary>The generated files as they lie in the repository.</summary>
public static class Workspace
{
    /// <summary>Writes the generated files, or compares them with what is there.</summary>
    /// <param name="check">Whether to compare only.</param>
    /// <param name="root">Root of the repository.</param>
    /// <param name="manifests">Folder of the manifests.</param>
    /// <param name="output">Receives the names of the files that were written or differ, and what was skipped.</param>
    /// <param name="toolkits">Where the headers of others are; the user's cache when null.</param>
    /// <returns>0, or 1 when files differ.</returns>
    public static int Run(bool check, string root, string manifests, TextWriter output, Toolkits? toolkits = null)
    {
        (SortedDictionary<string, string> files, IReadOnlyList<Manifest> skipped) = Generator.Generate(root, manifests, toolkits);
        foreach (IGrouping<string, Manifest> toolkit in skipped.GroupBy(m => m.Toolkit))
        {
            output.WriteLine($"skipped: {string.Join(", ", toolkit.Select(m => m.Name))}, because the headers of {toolkit.Key} are not there; get them with: eng/cuda-toolkit.sh --headers");
        }

        string[] differing = [.. files.Keys.Where(path => !HasContent(Path.Combine(root, path), files[path]))];
        string[] leftOver = [.. files.Keys.Select(path => Path.GetDirectoryName(path)!).Distinct()
            .Where(folder => Directory.Exists(Path.Combine(root, folder)))
            .SelectMany(folder => Directory.GetFiles(Path.Combine(root, folder), "*.g.*").Select(path => $"{folder}/{Path.GetFileName(path)}"))
            .Where(path => !files.ContainsKey(path) && !skipped.Any(m => IsOf(m, Path.GetFileName(path)))).Order(StringComparer.Ordinal)];
        if (check)
        {
            foreach (string path in differing.Concat(leftOver))
            {
                output.WriteLine($"{path} differs from what the headers give; run: dotnet run --project interop-gen -- generate");
            }

            return differing.Length + leftOver.Length == 0 ? 0 : 1;
        }

        foreach (string path in differing)
        {
            string target = Path.Combine(root, path);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.WriteAllText(target, files[path]);
            output.WriteLine($"wrote {path}");
        }

        foreach (string path in leftOver)
        {
            File.Delete(Path.Combine(root, path));
            output.WriteLine($"deleted {path}");
        }

        return 0;
    }

    private static bool IsOf(Manifest manifest, string file) =>
        file.StartsWith(manifest.Name + ".", StringComparison.Ordinal) || file == $"FixedArrays.{manifest.Namespace}.g.cs";

    private static bool HasContent(string path, string content) => File.Exists(path) && File.ReadAllText(path) == content;
}

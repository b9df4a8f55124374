using System.Runtime.CompilerServices;

namespace AiOs.Training.Tests;

public sealed class ReadmeTests
{
    private const string Indent = "        ";

    [Fact]
    public void TheExampleOfTheReadmeIsTheOneThatIsCompiled()
    {
        string[] readme = File.ReadAllLines(PathOf("../../../README.md"));
        int begin = Array.IndexOf(readme, "<!-- example:begin -->"), end = Array.IndexOf(readme, "<!-- example:end -->");
        string[] shown = readme[(begin + 1)..end];
        Assert.Equal("```csharp", shown[0]);
        Assert.Equal("```", shown[^1]);

        string[] source = File.ReadAllLines(PathOf("ReadmeExample.cs"));
        string[] usings = [.. source.TakeWhile(line => line.StartsWith("using ", StringComparison.Ordinal)).Append("using AiOs.Training;").OrderBy(line => line.TrimEnd(';'), StringComparer.Ordinal)];
        Assert.Equal([.. usings, "", .. Body("ReadmeExample.cs", "Run(string[] args)")], shown[1..^1]);
        Assert.InRange(shown.Length - 2, 1, 32);
    }

    [Fact]
    public void TheExampleOfTheMemoryPageIsTheOneThatIsCompiled()
    {
        string[] page = File.ReadAllLines(PathOf("../../../docs/memory.md"));
        int begin = Array.IndexOf(page, "```csharp");
        Assert.Equal(Body("MemoryExample.cs", "Run()"), page[(begin + 1)..Array.IndexOf(page, "```", begin + 1)]);
    }

    [Fact]
    public void TheExampleRuns() => ReadmeExample.Run([PathOf("../../../README.md"), PathOf("../../../LICENSE")]);

    /// <summary>The lines of a method as they stand without indentation.</summary>
    private static string[] Body(string file, string method)
    {
        string[] source = File.ReadAllLines(PathOf(file));
        int open = Array.FindIndex(source, line => line.Contains(method, StringComparison.Ordinal)) + 1;
        int close = Array.IndexOf(source, "    }", open);
        return [.. source[(open + 1)..close].Select(line => line.StartsWith(Indent, StringComparison.Ordinal) ? line[Indent.Length..] : line)];
    }

    private static string PathOf(string relative, [CallerFilePath] string here = "")
    {
        Assert.SkipUnless(File.Exists(here), "the repository is not on this machine");
        return Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, relative));
    }
}

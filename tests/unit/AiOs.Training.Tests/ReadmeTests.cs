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
        int open = Array.FindIndex(source, line => line.Contains("Run(string[] args)", StringComparison.Ordinal)) + 1;
        int close = Array.IndexOf(source, "    }", open);
        string[] usings = [.. source.TakeWhile(line => line.StartsWith("using ", StringComparison.Ordinal)).Append("using AiOs.Training;").OrderBy(line => line.TrimEnd(';'), StringComparer.Ordinal)];
        string[] body = [.. source[(open + 1)..close].Select(line => line.StartsWith(Indent, StringComparison.Ordinal) ? line[Indent.Length..] : line)];
        Assert.Equal([.. usings, "", .. body], shown[1..^1]);
        Assert.InRange(shown.Length - 2, 1, 32);
    }

    [Fact]
    public void TheExampleRuns() => ReadmeExample.Run([PathOf("../../../README.md"), PathOf("../../../LICENSE")]);

    private static string PathOf(string relative, [CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, relative));
}

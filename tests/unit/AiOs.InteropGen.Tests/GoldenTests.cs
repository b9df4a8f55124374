namespace AiOs.InteropGen.Tests;

/// <summary>
/// The committed files are what the headers give. To renew those of the miniature headers after a change of the
/// generator: <c>dotnet run --project interop-gen -- generate tests/unit/AiOs.InteropGen.Tests
/// tests/unit/AiOs.InteropGen.Tests/Manifests</c>.
/// </summary>
public class GoldenTests
{
    [Fact]
    public void Miniature_bindings_are_up_to_date() => CheckFolder(TestEnvironment.ProjectRoot, TestEnvironment.Manifests);

    [Fact]
    public void Own_bindings_are_up_to_date() =>
        CheckFolder(TestEnvironment.RepositoryRoot, Path.Combine(TestEnvironment.RepositoryRoot, "interop-gen", "manifests"));

    [Fact]
    public void Generation_is_repeatable()
    {
        TestEnvironment.RequireClang();
        Assert.Equal(
            Generator.Generate(TestEnvironment.ProjectRoot, TestEnvironment.Manifests).Files,
            Generator.Generate(TestEnvironment.ProjectRoot, TestEnvironment.Manifests).Files);
    }

    [Fact]
    public void Check_names_changed_missing_and_left_over_files()
    {
        TestEnvironment.RequireClang();
        using var folder = new TemporaryFolder();
        CopyFolder("Headers", folder);
        CopyFolder("Manifests", folder);
        string manifests = Path.Combine(folder.Path, "Manifests");
        Assert.Equal(0, Workspace.Run(false, folder.Path, manifests, TextWriter.Null));
        Assert.Equal(0, Workspace.Run(true, folder.Path, manifests, TextWriter.Null));

        File.AppendAllText(Path.Combine(folder.Path, "Generated", "mini_cl.Enums.g.cs"), " ");
        File.Delete(Path.Combine(folder.Path, "Generated", "mini_nvml.Table.g.cs"));
        folder.Write("Generated/old.g.cs", "");
        using var output = new StringWriter();
        Assert.Equal(1, Workspace.Run(true, folder.Path, manifests, output));
        Assert.Equal(
            ["Generated/mini_cl.Enums.g.cs", "Generated/mini_nvml.Table.g.cs", "Generated/old.g.cs"],
            output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')[0]));

        Assert.Equal(0, Workspace.Run(false, folder.Path, manifests, TextWriter.Null));
        Assert.Equal(0, Workspace.Run(true, folder.Path, manifests, TextWriter.Null));
        Assert.False(File.Exists(Path.Combine(folder.Path, "Generated", "old.g.cs")));
    }

    private static void CheckFolder(string root, string manifests)
    {
        TestEnvironment.RequireClang();
        using var output = new StringWriter();
        Assert.True(Workspace.Run(true, root, manifests, output) == 0, output.ToString());
    }

    private static void CopyFolder(string name, TemporaryFolder target)
    {
        foreach (string path in Directory.GetFiles(Path.Combine(TestEnvironment.ProjectRoot, name)))
        {
            target.Write($"{name}/{Path.GetFileName(path)}", File.ReadAllText(path));
        }
    }
}

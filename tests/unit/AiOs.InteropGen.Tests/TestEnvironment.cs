using System.Diagnostics;
using AiOs.InteropGen.Clang;

namespace AiOs.InteropGen.Tests;

/// <summary>Where the sources are, and the compilers that some tests need.</summary>
internal static class TestEnvironment
{
    public static string RepositoryRoot { get; } = FindRoot();

    /// <summary>The folder of this project: root of the miniature headers' manifests.</summary>
    public static string ProjectRoot => Path.Combine(RepositoryRoot, "tests", "unit", "AiOs.InteropGen.Tests");

    public static string Manifests => Path.Combine(ProjectRoot, "Manifests");

    public static void RequireClang()
    {
        if (ClangCompiler.Find(RepositoryRoot) is null)
        {
            Assert.Skip("clang was not found (apt-get install clang)");
        }
    }

    /// <summary>Compiles C with the machine's own compiler, or skips the test when there is none.</summary>
    public static void CompileC(params string[] arguments)
    {
        try
        {
            string? error = Run("cc", arguments, out _);
            Assert.True(error is null, error);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("no C compiler was found (apt-get install gcc)");
        }
    }

    /// <summary>Compiles and runs a C program; returns what it printed.</summary>
    /// <param name="source">The program.</param>
    /// <param name="headers">The folder of this project that holds its headers.</param>
    public static string[] RunC(string source, string headers = "Headers")
    {
        using var folder = new TemporaryFolder();
        string file = folder.Write("program.c", source);
        string program = Path.Combine(folder.Path, "program");
        CompileC("-std=c11", "-w", "-I", Path.Combine(ProjectRoot, headers), "-o", program, file);
        string? error = Run(program, [], out string output);
        Assert.True(error is null, error);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static string? Run(string command, string[] arguments, out string output)
    {
        var start = new ProcessStartInfo(command, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? null : $"{command} failed: {error.Result}";
    }

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "AiOs.Native.sln")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new InvalidOperationException("the tests run outside the repository");
    }
}

/// <summary>A folder that is deleted at the end of a test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("aios-interop-gen-").FullName;

    public string Write(string name, string content)
    {
        string path = System.IO.Path.Combine(Path, name);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        return path;
    }

    public void Dispose() => Directory.Delete(Path, true);
}

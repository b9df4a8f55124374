using System.Diagnostics;

namespace AiOs.Runtime.Tests;

/// <summary>
/// Runs one test in a process of its own, for what spoils a process or is read once by it. Such a test is explicit: it only
/// runs where it is asked for.
/// </summary>
public static class TestProcess
{
    /// <summary>How long anything is waited for that only a mistake keeps away, however busy the machine.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    /// <summary>Runs a test and asserts that it passed.</summary>
    /// <param name="tests">The class of the test.</param>
    /// <param name="test">Its name.</param>
    /// <param name="environment">Variables for the process.</param>
    public static async Task Run(Type tests, string test, IEnumerable<(string Name, string Value)> environment)
    {
        // The tests are a program of their own, or a library that dotnet runs, which is not always on the path.
        string[] options = ["-noColor", "-explicit", "only", "-method", $"{tests.FullName}.{test}"];
        string program = Environment.ProcessPath!;
        var start = new ProcessStartInfo(program, Path.GetFileName(program) == "dotnet" ? [tests.Assembly.Location, .. options] : options)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(
            process.ExitCode == 0 && output.Contains("Total: 1,", StringComparison.Ordinal) && output.Contains("Skipped: 0,", StringComparison.Ordinal),
            output + await errors);
    }
}

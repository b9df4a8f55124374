using System.Diagnostics;
using System.Runtime.InteropServices;

namespace AiOs.Cli.Tests;

/// <summary>Runs the built command as a user does and checks what holds for every run: an error is one line and no stack trace.</summary>
internal sealed partial class CliProcess : IDisposable
{
    public const int Interrupt = 2;
    public const int Terminate = 15;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10); // for a command that is broken; a busy machine needs some of it
    private readonly Process _process;
    private readonly Task<string> _output;
    private readonly Task<string> _error;

    private CliProcess(Process process)
    {
        _process = process;
        _output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        _error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>Starts the command in a directory.</summary>
    public static CliProcess Start(string directory, params IEnumerable<string> arguments) => Start(directory, null, arguments);

    /// <summary>Starts the command in a directory with environment variables of its own.</summary>
    public static CliProcess Start(string directory, IReadOnlyDictionary<string, string>? environment, IEnumerable<string> arguments)
    {
        ProcessStartInfo start = new(Path.Combine(AppContext.BaseDirectory, "aios"), arguments)
        {
            WorkingDirectory = directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        return new CliProcess(Process.Start(start)!);
    }

    /// <summary>Runs the command to its end.</summary>
    public static CliResult Run(string directory, params IEnumerable<string> arguments)
    {
        using CliProcess process = Start(directory, arguments);
        return process.Wait();
    }

    /// <summary>Sends a signal.</summary>
    public void Signal(int signal) => Assert.Equal(0, Kill(_process.Id, signal));

    /// <summary>Ends the process as the system does when it must: nothing of it runs any more.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>Waits for a condition that the running command brings about.</summary>
    public void WaitUntil(Func<bool> condition)
    {
        Stopwatch clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.False(_process.HasExited, _process.HasExited ? $"ended early with {_process.ExitCode}: {_error.Result}" : string.Empty);
            Assert.True(clock.Elapsed < Patience, "the condition did not come about");
            Thread.Sleep(5);
        }
    }

    /// <summary>Waits for the end.</summary>
    public CliResult Wait()
    {
        Assert.True(_process.WaitForExit(Patience), "the command did not end");
        CliResult result = new(_process.ExitCode, _output.Result, _error.Result);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Unhandled", result.Error, StringComparison.Ordinal);
        return result;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            Kill();
        }

        _process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}

/// <summary>How a run of the command ended.</summary>
internal sealed record CliResult(int ExitCode, string Output, string Error)
{
    /// <summary>Expects success with nothing that looks like an error.</summary>
    public CliResult Succeeded()
    {
        Assert.True(ExitCode == 0, $"exit code {ExitCode}: {Error}");
        Assert.DoesNotContain("error:", Error, StringComparison.Ordinal);
        return this;
    }

    /// <summary>Expects a failure told in exactly one line that holds all the given words.</summary>
    public void FailedWith(int exitCode, params IEnumerable<string> words)
    {
        Assert.True(ExitCode == exitCode, $"exit code {ExitCode} instead of {exitCode}: {Error}");
        string[] errors = [.. Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line.StartsWith("error:", StringComparison.Ordinal))];
        string error = Assert.Single(errors);
        Assert.EndsWith(error, Error.TrimEnd('\n'), StringComparison.Ordinal);
        Assert.All(words, word => Assert.Contains(word, error, StringComparison.Ordinal));
    }
}

using System.Text.Json;

namespace AiOs.Cli.Tests;

/// <summary><c>aios memory</c> and what <c>aios train --memory-snapshot</c> writes.</summary>
public sealed class MemoryTests
{
    private static readonly string[] Model =
        ["memory", "--layers", "1", "--heads", "2", "--embd", "16", "--block", "16", "--batch", "4", "--threads", "2"];

    [Fact]
    public void The_table_says_what_is_allocated_and_by_whom_in_80_columns()
    {
        using TemporaryDirectory directory = new();
        CliResult result = CliProcess.Run(directory.Path, Model).Succeeded();
        string[] lines = result.Output.Split('\n');
        Assert.StartsWith("3 steps of a GPT of ", lines[0], StringComparison.Ordinal);
        Assert.All(lines, line => Assert.InRange(line.Length, 0, 80));
        Assert.All(["  allocated  ", "  reserved  ", "  unused  ", "  peak allocated  ", "  peak reserved  "],
            name => Assert.Single(lines, line => line.StartsWith(name, StringComparison.Ordinal)));
        Assert.Contains("Optimizer.AddState", result.Output, StringComparison.Ordinal);
        Assert.Contains("Ops.Linear in Linear.Forward", result.Output, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(directory.Path));
    }

    [Fact]
    public void The_document_adds_up_and_the_files_are_there()
    {
        using TemporaryDirectory directory = new();
        CliResult result = CliProcess.Run(
            directory.Path, [.. Model, "--steps", "2", "--dtype", "bf16", "--json", "--snapshot", "memory.pickle", "--html", "memory.html"]).Succeeded();
        using JsonDocument json = JsonDocument.Parse(result.Output);
        JsonElement root = json.RootElement;
        long Number(string name) => root.GetProperty(name).GetInt64();
        Assert.Equal(2, Number("steps"));
        JsonElement[] holders = [.. root.GetProperty("holders").EnumerateArray()];
        Assert.Equal(Number("allocated_bytes"), holders.Sum(h => h.GetProperty("bytes").GetInt64()));
        Assert.Equal(Number("blocks"), holders.Sum(h => h.GetProperty("blocks").GetInt64()));
        Assert.Equal(Number("reserved_bytes") - Number("allocated_bytes"), Number("unused_bytes"));
        Assert.InRange(holders.Sum(h => h.GetProperty("bytes_at_peak").GetInt64()), Number("allocated_bytes"), Number("peak_allocated_bytes"));
        Assert.InRange(Number("peak_allocated_bytes"), 1, Number("peak_reserved_bytes"));
        Assert.Equal(0, Number("forgotten_events"));
        Assert.DoesNotContain(holders, h => h.GetProperty("site").GetString() == "unknown");
        byte[] pickle = File.ReadAllBytes(directory.File("memory.pickle"));
        Assert.Equal((0x80, 2, (byte)'.'), (pickle[0], pickle[1], pickle[^1]));
        Assert.StartsWith("<!doctype html>", File.ReadAllText(directory.File("memory.html")), StringComparison.Ordinal);
        Assert.Equal(2, Directory.GetFileSystemEntries(directory.Path).Length);
    }

    [Fact]
    public void Training_writes_a_snapshot_too()
    {
        using TemporaryDirectory directory = new();
        CliProcess.Run(directory.Path, [.. Tiny.Model, "--steps", "2", "--json", "--memory-snapshot", "memory.html"]).Succeeded();

        // Which op and method, the compiler decides: it optimises code while the command runs, and what is optimised is a part of
        // its caller, or jumps to what it calls last.
        Assert.Matches(@"Ops\.\w+ in \w+\.\w+ \(\w+\.cs:\d+\)", File.ReadAllText(directory.File("memory.html")));
        CliProcess.Run(directory.Path, [.. Tiny.Model, "--steps", "2", "--json", "--memory-snapshot", "memory.pickle"]).Succeeded();
        Assert.Equal(0x80, File.ReadAllBytes(directory.File("memory.pickle"))[0]);
    }

    [Theory]
    [InlineData("--snapshot missing/a.pickle", "--snapshot missing/a.pickle: the directory ")]
    [InlineData("--html .", "--html .: that is a directory")]
    [InlineData("--html /proc/a.html", "--html /proc/a.html: no file can be made there")]
    public void A_file_that_cannot_be_written_is_found_before_anything_is_trained(string arguments, string words)
    {
        using TemporaryDirectory directory = new();
        CliResult result = CliProcess.Run(directory.Path, [.. Model, "--steps", "1000000", .. arguments.Split(' ')]);
        result.FailedWith(1, words);
        Assert.Empty(Directory.GetFileSystemEntries(directory.Path));
    }

    [Fact]
    public void Training_finds_a_directory_that_is_missing_first()
    {
        using TemporaryDirectory directory = new();
        CliResult result = CliProcess.Run(directory.Path, [.. Tiny.Model, "--memory-snapshot", "missing/a"]);
        result.FailedWith(1, "--memory-snapshot missing/a");
        Assert.Empty(Directory.GetFileSystemEntries(directory.Path));
    }
}


namespace AiOs.Cli.Tests;

/// <summary>Runs that end before their time, and what goes on from there.</summary>
public sealed class InterruptionTests
{
    /// <summary>More steps than are done before anybody looks.</summary>
    private const int Long = 100_000_000;

    [Theory]
    [InlineData(CliProcess.Interrupt)]
    [InlineData(CliProcess.Terminate)]
    public void A_signal_saves_a_checkpoint_and_says_how_to_go_on(int signal)
    {
        using TemporaryDirectory directory = new();
        using CliProcess process = CliProcess.Start(directory.Path, [.. Tiny.Model, "--steps", $"{Long}", "--save-every", $"{Long}", "--log-json", "log.jsonl"]);
        process.WaitUntil(() => Lines(directory.File("log.jsonl")) > 5);
        process.Signal(signal);
        CliResult result = process.Wait().Succeeded();

        Assert.Contains("aios train --resume out", result.Output, StringComparison.Ordinal);
        Assert.True(File.Exists(directory.File("out/report.html")));
        int done = Lines(directory.File("log.jsonl"));
        Assert.True(Directory.Exists(directory.File($"out/checkpoints/step-{done:d8}")));

        CliProcess.Run(directory.Path, "train", "--resume", "out", "--steps", $"{done + 3}", "--log-json", "log.jsonl").Succeeded();
        Assert.Equal(done + 3, Lines(directory.File("log.jsonl")));
    }

    [Theory]
    [InlineData("f32")]
    [InlineData("bf16")]
    public void Killed_and_resumed_gives_the_curve_of_a_run_that_was_never_interrupted(string dtype)
    {
        using TemporaryDirectory directory = new();
        string whole = directory.File("whole.jsonl"), cut = directory.File("cut.jsonl");
        string[] arguments = [.. Tiny.Model, "--steps", $"{Long}", "--save-every", "20", "--dropout", "0.1", "--dtype", dtype];
        using (CliProcess process = CliProcess.Start(directory.Path, [.. arguments, "--out", "cut", "--log-json", cut]))
        {
            process.WaitUntil(() => Lines(cut) > 50);
            process.Kill();
        }

        int killed = Lines(cut);
        File.AppendAllText(cut, $"{{\"step\":{killed},\"lo");
        TrainUntil(directory, cut, killed + 30, ["train", "--resume", "cut", "--log-json", cut]);
        TrainUntil(directory, whole, Lines(cut), [.. arguments, "--out", "whole", "--log-json", whole]);

        IReadOnlyList<string> curve = Tiny.Curve(cut);
        Assert.Equal(Tiny.Curve(whole).Take(curve.Count), curve);
        Assert.Equal(curve, Tiny.Curve(directory.File("cut/history.jsonl")));
    }

    [Fact]
    public void Resuming_refuses_options_that_contradict_the_run()
    {
        using TemporaryDirectory directory = new();
        CliProcess.Run(directory.Path, [.. Tiny.Model, "--steps", "3"]).Succeeded();

        CliProcess.Run(directory.Path, "train", "--resume", "out", "--embd", "32").FailedWith(2, "--embd 32", "out", "16");
        CliProcess.Run(directory.Path, "train", "--resume", "out", "--lr", "0.5").FailedWith(2, "--lr 0.5", "0.001");
        CliProcess.Run(directory.Path, "train", "--resume", "out", "--dtype", "bf16").FailedWith(2, "--dtype bf16", "f32");
        CliProcess.Run(directory.Path, "train", "--resume", "out", "--steps", "2").FailedWith(2, "--steps 2", "3");
        CliProcess.Run(directory.Path, "train", "--resume", "nowhere").FailedWith(1, "nowhere");
        CliProcess.Run(directory.Path, "train", "--resume", "out", "--embd", "16", "--steps", "4").Succeeded();
    }

    /// <summary>Trains until so many steps are in the log, and ends the run as a user does.</summary>
    private static void TrainUntil(TemporaryDirectory directory, string log, int steps, IEnumerable<string> arguments)
    {
        using CliProcess process = CliProcess.Start(directory.Path, arguments);
        process.WaitUntil(() => Lines(log) >= steps);
        process.Signal(CliProcess.Interrupt);
        process.Wait().Succeeded();
    }

    private static int Lines(string path)
    {
        if (!File.Exists(path))
        {
            return 0;
        }

        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using StreamReader reader = new(file);
        return reader.ReadToEnd().Count(c => c == '\n');
    }
}

using System.Text.Json;

namespace AiOs.Cli.Tests;

/// <summary>A tiny model trained once on the packed text, for all tests that only look at it.</summary>
public sealed class TrainedModel : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public TrainedModel()
    {
        CliResult result = CliProcess.Run(_directory.Path,
            [.. Tiny.Model, "--steps", "25", "--out", "out", "--log-json", "log.jsonl", "--json"]).Succeeded();
        (Json, Progress) = (result.Output, result.Error);
    }

    public string Directory => _directory.Path;

    public string Out => _directory.File("out");

    public string Log => _directory.File("log.jsonl");

    public string Json { get; }

    public string Progress { get; }

    public void Dispose() => _directory.Dispose();
}

/// <summary>The command line of a model that trains in a second.</summary>
internal static class Tiny
{
    public static IReadOnlyList<string> Model { get; } =
        ["train", "--layers", "1", "--heads", "2", "--embd", "16", "--block", "16", "--batch", "4", "--threads", "2"];

    private static readonly string[] Compared = ["step", "loss", "grad_norm", "lr"];

    /// <summary>What determinism promises: the losses and gradient norms, digit for digit.</summary>
    public static IReadOnlyList<string> Curve(string log) =>
    [
        .. File.ReadAllLines(log).Select(line =>
        {
            using JsonDocument json = JsonDocument.Parse(line);
            return string.Join(' ', Compared.Select(name => json.RootElement.GetProperty(name).GetRawText()));
        }),
    ];
}

public sealed class TrainTests(TrainedModel trained) : IClassFixture<TrainedModel>
{
    [Fact]
    public void Json_is_one_document_and_progress_goes_to_stderr()
    {
        using JsonDocument json = JsonDocument.Parse(trained.Json);
        JsonElement result = json.RootElement;

        Assert.Equal(25, result.GetProperty("steps").GetInt64());
        Assert.True(result.GetProperty("completed").GetBoolean());
        Assert.InRange(result.GetProperty("validation_loss").GetDouble(), 3, 5.6);
        Assert.InRange(result.GetProperty("bigram_loss").GetDouble(), 1.5, 3.5);
        Assert.False(result.GetProperty("bigram_beaten").GetBoolean());
        Assert.Contains("step", trained.Progress, StringComparison.Ordinal);
        Assert.DoesNotContain('\e', trained.Progress);
    }

    [Fact]
    public void Log_has_every_step_and_the_loss_falls()
    {
        string[] lines = File.ReadAllLines(trained.Log);
        double[] losses = [.. lines.Select(line => Field(line, "loss"))];

        Assert.Equal(Enumerable.Range(0, 25).Select(i => (double)i), lines.Select(line => Field(line, "step")));
        Assert.True(losses[^5..].Average() < losses[..5].Average() - 0.1);
    }

    [Fact]
    public void Output_directory_holds_checkpoint_report_and_history_and_nothing_else()
    {
        Assert.Equal("checkpoints history.jsonl latest report.html",
            string.Join(' ', Directory.GetFileSystemEntries(trained.Out).Select(Path.GetFileName).Order(StringComparer.Ordinal)));
        string report = File.ReadAllText(Path.Combine(trained.Out, "report.html"));
        Assert.Contains("the repository&#39;s own text", report, StringComparison.Ordinal);
        Assert.Contains("bigram model", report, StringComparison.Ordinal);
    }

    [Fact]
    public void Generate_continues_the_prompt_and_the_seed_decides_how()
    {
        string[] arguments = ["generate", "--model", trained.Out, "--prompt", "The ", "--max-tokens", "40", "--seed", "5"];
        string first = CliProcess.Run(trained.Directory, arguments).Succeeded().Output;
        string second = CliProcess.Run(trained.Directory, [.. arguments, "--threads", "1"]).Succeeded().Output;
        using JsonDocument json = JsonDocument.Parse(CliProcess.Run(trained.Directory, [.. arguments, "--json"]).Succeeded().Output);
        string other = CliProcess.Run(trained.Directory, [.. arguments[..^1], "6"]).Succeeded().Output;

        Assert.StartsWith("The ", first, StringComparison.Ordinal);
        Assert.Equal(first, second);
        Assert.Equal(first, "The " + json.RootElement.GetProperty("text").GetString() + Environment.NewLine);
        Assert.NotEqual(first, other);
    }

    [Fact]
    public void Generate_takes_a_file_of_weights()
    {
        string weights = Directory.GetFiles(trained.Out, "model.safetensors", SearchOption.AllDirectories).Single();
        string text = CliProcess.Run(trained.Directory, "generate", "--model", weights, "--prompt", "x", "--max-tokens", "3", "--temperature", "0").Succeeded().Output;

        Assert.StartsWith("x", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Training_starts_from_the_weights_of_init_and_its_shape()
    {
        using TemporaryDirectory directory = new();
        string weights = Directory.GetFiles(trained.Out, "model.safetensors", SearchOption.AllDirectories).Single();
        CliProcess.Run(directory.Path, "train", "--init", weights, "--batch", "4", "--steps", "2", "--out", "next", "--log-json", "log.jsonl").Succeeded();

        double reached = Field(File.ReadLines(trained.Log).Last(), "loss");
        Assert.InRange(Field(File.ReadLines(directory.File("log.jsonl")).First(), "loss"), reached - 0.4, reached + 0.4);
        CliProcess.Run(directory.Path, "train", "--init", weights, "--embd", "32").FailedWith(2, "--embd 32", "model.safetensors", "16");
    }

    [Fact]
    public void A_model_in_bf16_learns_and_generates()
    {
        using TemporaryDirectory directory = new();
        CliProcess.Run(directory.Path, [.. Tiny.Model, "--steps", "25", "--dtype", "bf16", "--log-json", "log.jsonl"]).Succeeded();
        double[] got = [.. File.ReadLines(directory.File("log.jsonl")).Select(line => Field(line, "loss"))];
        double[] expected = [.. File.ReadLines(trained.Log).Select(line => Field(line, "loss"))];

        Assert.All(got.Zip(expected), pair => Assert.InRange(pair.First / pair.Second, 0.98, 1.02));
        Assert.NotEqual(expected, got);
        Assert.StartsWith("The ", CliProcess.Run(directory.Path, "generate", "--model", "out", "--prompt", "The ", "--max-tokens", "8").Succeeded().Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_new_run_sets_the_checkpoints_of_the_earlier_one_aside()
    {
        using TemporaryDirectory directory = new();
        CliProcess.Run(directory.Path, [.. Tiny.Model, "--steps", "4"]).Succeeded();
        CliProcess.Run(directory.Path, [.. Tiny.Model, "--steps", "2"]).Succeeded();

        Assert.True(Directory.Exists(directory.File("out/checkpoints/step-00000002")));
        Assert.True(Directory.Exists(directory.File("out/checkpoints.previous/step-00000004")));
        Assert.Equal("step-00000002\n", File.ReadAllText(directory.File("out/latest")));
    }

    [Fact]
    public void The_same_seed_gives_the_same_losses_on_any_number_of_threads()
    {
        using TemporaryDirectory directory = new();
        CliProcess.Run(directory.Path, [.. Tiny.Model.SkipLast(2), "--threads", "1", "--steps", "25", "--log-json", "one.jsonl"]).Succeeded();

        Assert.Equal(Tiny.Curve(trained.Log), Tiny.Curve(directory.File("one.jsonl")));
    }

    private static double Field(string line, string name)
    {
        using JsonDocument json = JsonDocument.Parse(line);
        return json.RootElement.GetProperty(name).GetDouble();
    }

    [Fact]
    public void ARunWithPlannedMemoryHasTheSameCurveAndSaysWhatThePlanDid()
    {
        using var directory = new TemporaryDirectory();
        string[] run = [.. Tiny.Model, "--steps", "25", "--dropout", "0.1"];
        CliProcess.Run(directory.Path, [.. run, "--log-json", "pool.jsonl"]).Succeeded();
        CliResult planned = CliProcess.Run(directory.Path, [.. run, "--log-json", "plan.jsonl", "--plan-memory", "--out", "plan"]).Succeeded();
        Assert.Equal(Tiny.Curve(directory.File("pool.jsonl")), Tiny.Curve(directory.File("plan.jsonl")));
        Assert.Matches(@"memory plan +23 of 25 steps replayed, 0 left the plan;\s+their blocks lie in [\d.]+ MiB, [\d.]+ of them in use at once", planned.Output);

        using JsonDocument json = JsonDocument.Parse(CliProcess.Run(directory.Path, [.. run, "--plan-memory", "--out", "json", "--json"]).Succeeded().Output);
        JsonElement plan = json.RootElement.GetProperty("memory_plan");
        Assert.Equal((25, 23), (plan.GetProperty("steps").GetInt64(), plan.GetProperty("replayed_steps").GetInt64()));
        Assert.InRange(plan.GetProperty("in_use_bytes").GetInt64(), 1, plan.GetProperty("bytes").GetInt64());

        CliResult both = CliProcess.Run(directory.Path, [.. run, "--plan-memory", "--graph"]);
        Assert.Equal(2, both.ExitCode);
        Assert.Contains("--plan-memory has nothing to plan with --graph", both.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void AReplayedRunHasTheSameCurveAndATimeline()
    {
        using var directory = new TemporaryDirectory();
        CliProcess.Run(directory.Path, [.. Tiny.Model, "--steps", "25", "--dropout", "0.1", "--log-json", "eager.jsonl"]).Succeeded();
        CliResult replayed = CliProcess.Run(
            directory.Path,
            [.. Tiny.Model, "--steps", "25", "--dropout", "0.1", "--log-json", "graph.jsonl", "--graph", "--trace", "trace.json", "--out", "graph"]).Succeeded();
        Assert.Equal(Tiny.Curve(directory.File("eager.jsonl")), Tiny.Curve(directory.File("graph.jsonl")));
        Assert.Matches(@"graph +\d+ nodes in 1 branch;\s+recording took [\d.]+ µs, compilation of code included;\s+replaying takes [\d.]+ µs \(23 launches of 1 command\)", replayed.Output);
        using JsonDocument trace = JsonDocument.Parse(File.ReadAllBytes(directory.File("trace.json")));
        HashSet<string> names = [.. trace.RootElement.GetProperty("traceEvents").EnumerateArray().Select(e => e.GetProperty("name").GetString()!)];
        Assert.Superset(new HashSet<string> { "aios_gemm", "aios_adamw", "copy", "graph", "step", "checkpoint", "memory" }, names);
    }
}

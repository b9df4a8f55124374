using System.Text.Json;
using System.Text.Json.Nodes;

namespace AiOs.Cli.Tests;

/// <summary>What <c>aios bench</c> says of wrong results and of worse ones, and how it exits.</summary>
public sealed class BenchTests
{
    private static readonly string[] Softmax = ["bench", "softmax", "--dtype", "f32", "--shapes", "3,70", "--rounds", "3", "--threads", "2"];

    /// <summary>The environment in which the provider is the one whose softmax and gradients of functions are wrong.</summary>
    private static readonly Dictionary<string, string> Spoiled = new() { ["AIOS_LIBRARY_PATH"] = Path.Combine(AppContext.BaseDirectory, "spoiled") };

    [Fact]
    public void A_wrong_result_fails_and_is_named()
    {
        using TemporaryDirectory directory = new();
        CliResult result = Run(directory, Spoiled, [.. Softmax, "--json", "-"]);
        Assert.Equal(1, result.ExitCode);
        JsonArray cases = JsonNode.Parse(result.Output)!.AsArray();
        string[] errors = [.. result.Error.Split('\n').Where(line => line.StartsWith("error:", StringComparison.Ordinal))];
        Assert.Equal(cases.Count(entry => !(bool)entry!["correct"]!), errors.Length);
        string error = Assert.Single(errors, line => line.StartsWith("error: softmax f32 3,70: wrong result: ", StringComparison.Ordinal));
        Assert.Contains("is 0.5, expected", error, StringComparison.Ordinal);
        JsonNode wrong = Assert.Single(cases, entry => (string)entry!["op"]! == "softmax")!;
        Assert.False((bool)wrong["correct"]!);
        Assert.Null(wrong["median_us"]);
        Assert.Null(wrong["limit_share"]);

        // What the right kernels computed is still measured.
        Assert.Contains(cases, entry => (bool)entry!["correct"]! && (double)entry["median_us"]! > 0);
    }

    [Fact]
    public void A_wrong_backward_pass_is_found_before_a_training_step_is_timed()
    {
        using TemporaryDirectory directory = new();
        CliResult result = Run(directory, Spoiled, ["bench", "train", "--dtype", "f32", "--shapes", "2,4,tiny", "--json", "-"]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("wrong result: gradient of transformer.", result.Error, StringComparison.Ordinal);
        JsonNode step = Assert.Single(JsonNode.Parse(result.Output)!.AsArray())!;
        Assert.False((bool)step["correct"]!);
        Assert.Null(step["median_us"]);
    }

    [Fact]
    public void An_allocation_trace_is_replayed_and_a_wrong_line_is_named()
    {
        using TemporaryDirectory directory = new();
        File.WriteAllText(directory.File("trace.txt"), "# two blocks\nalloc a 3000000 0\nalloc b 512 1\nfree a 0\n");
        CliResult result = Run(directory, null, ["bench", "memory", "--trace", "trace.txt", "--json", "-"]);
        Assert.Equal(0, result.ExitCode);
        JsonNode trace = Assert.Single(JsonNode.Parse(result.Output)!.AsArray())!;
        Assert.True((bool)trace["correct"]!);
        Assert.Equal(3000512, (long)trace["peak_allocated_bytes"]!);
        Assert.Equal(22 << 20, (long)trace["peak_reserved_bytes"]!["pytorch"]!);

        File.WriteAllText(directory.File("trace.txt"), "alloc a 3000000 0\nfree b 0\n");
        CliResult wrong = Run(directory, null, ["bench", "memory", "--trace", "trace.txt"]);
        Assert.Equal((2, "error: trace.txt:2: id b is freed but not in use"), (wrong.ExitCode, wrong.Error.Trim()));
    }

    [Theory]
    [InlineData("--json")]
    [InlineData("--html")]
    public void A_place_for_results_that_is_missing_is_found_before_anything_is_measured(string option)
    {
        using TemporaryDirectory directory = new();
        CliResult result = Run(directory, null, [.. Softmax, option, "missing/a"]);
        result.FailedWith(1, $"{option} missing/a: the directory ");
        Assert.Empty(result.Output);
    }

    [Fact]
    public void A_lower_share_than_the_baseline_fails()
    {
        using TemporaryDirectory directory = new();
        Assert.Equal(0, Run(directory, null, [.. Softmax, "--json", "now.json"]).ExitCode);
        JsonArray cases = JsonNode.Parse(File.ReadAllText(directory.File("now.json")))!.AsArray();
        Assert.All(cases, entry => Assert.True((bool)entry!["correct"]!));

        // Far from what any machine comes to, however busy: a case of microseconds may take a thousand times as long as it should.
        WriteBaseline("better.json", 1e12);
        WriteBaseline("worse.json", 1e-12);
        CliResult regressed = Run(directory, null, [.. Softmax, "--baseline", "better.json"]);
        Assert.Equal(1, regressed.ExitCode);
        Assert.Contains("softmax f32 3,70", regressed.Error, StringComparison.Ordinal);
        Assert.Contains($"baseline: {cases.Count} of {cases.Count} cases compared, {cases.Count} got worse", regressed.Output, StringComparison.Ordinal);
        CliResult enough = Run(directory, null, [.. Softmax, "--baseline", "better.json", "--fail-below", "1e-24"]).Succeeded();
        Assert.Contains(", 0 got worse", enough.Output, StringComparison.Ordinal);
        Run(directory, null, [.. Softmax, "--baseline", "worse.json"]).Succeeded();

        void WriteBaseline(string name, double factor)
        {
            foreach (JsonNode? entry in cases)
            {
                entry!["limit_share"] = factor;
            }

            File.WriteAllText(directory.File(name), cases.ToJsonString(new JsonSerializerOptions()));
        }
    }

    private static CliResult Run(TemporaryDirectory directory, Dictionary<string, string>? environment, string[] arguments)
    {
        using CliProcess process = CliProcess.Start(directory.Path, environment, arguments);
        return process.Wait();
    }
}

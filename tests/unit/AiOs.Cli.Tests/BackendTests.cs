using System.Text.Json;

namespace AiOs.Cli.Tests;

/// <summary>Training runs on the CUDA kernels, simulated, beside the same runs on the CPU's.</summary>
public sealed class BackendTests
{
    private const int Steps = 20;
    private const double Bound = 1e-4;

    /// <summary>Dropout draws the same numbers; parts of a batch add up, in a graph or not; bf16 rounds alike.</summary>
    /// <remarks>bf16 rounds each activation, so that one different bit is a difference of 2^-9 of a value: 1e-3 was seen.</remarks>
    [Theory]
    [InlineData("--dtype f32 --dropout 0.1", Bound)]
    [InlineData("--dtype f32 --accumulate 2 --grad-clip 0.5 --graph", Bound)]
    [InlineData("--dtype bf16 --dropout 0.1", 20 * Bound)]
    public void A_simulated_run_has_the_losses_of_the_cpu_at_every_step(string options, double bound)
    {
        using TemporaryDirectory directory = new();
        WriteText(directory);
        double[] cpu = Losses(directory, "cpu", options), simulated = Losses(directory, "cuda-sim", options);
        Assert.Equal(Steps, cpu.Length);
        Assert.Equal(Steps, simulated.Length);
        Assert.True(cpu[^1] < cpu[0] - 0.1, "the model does not learn: nothing is compared");
        for (int step = 0; step < Steps; step++)
        {
            Assert.True(Math.Abs(cpu[step] - simulated[step]) <= bound, $"step {step}: {cpu[step]:R} on cpu, {simulated[step]:R} on cuda-sim");
        }
    }

    /// <summary>A step's commands are in its timeline: its kernels on the track of the stream, within the host's step.</summary>
    [Fact]
    public void A_simulated_run_has_a_timeline_with_the_kernels_of_its_stream()
    {
        using TemporaryDirectory directory = new();
        JsonElement[] events = Timeline(directory, [], out string error);
        Assert.DoesNotContain("no device commands", error, StringComparison.Ordinal);
        double[] tracks = [.. events.Where(e => Text(e, "name") == "thread_name" && Number(e, "pid") == 1).Select(e => Number(e, "tid"))];
        double track = Assert.Single(tracks);
        JsonElement[] commands = [.. events.Where(e => Text(e, "ph") == "X" && Number(e, "pid") == 1)];
        Assert.All(commands, command => Assert.Equal(track, Number(command, "tid")));
        Assert.Superset(new HashSet<string> { "gather_kernel", "adamw_kernel", "copy" }, commands.Select(command => Text(command, "name")).ToHashSet());
        JsonElement[] steps = [.. events.Where(e => Text(e, "cat") == "host" && Text(e, "name") == "step").OrderBy(e => Number(e, "ts"))];
        JsonElement[] updates = [.. commands.Where(e => Text(e, "name") == "adamw_kernel").OrderBy(e => Number(e, "ts"))];
        Assert.Equal((3, 3), (steps.Length, updates.Length));
        Assert.All(updates.Zip(steps), pair => Assert.True(Number(pair.First, "ts") >= Number(pair.Second, "ts"), "an update ran before its step"));
    }

    [Fact]
    public void A_timeline_without_commands_says_so()
    {
        using TemporaryDirectory directory = new();
        JsonElement[] events = Timeline(directory, new() { ["AIOS_CUDASIM_FAULTS"] = "cupti=39" }, out string error);
        Assert.Contains(
            "libaios_cudasim.so: cuptiActivityEnable: CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED; end other profilers of this process",
            error, StringComparison.Ordinal);
        Assert.DoesNotContain(events, e => Text(e, "ph") == "X" && Number(e, "pid") == 1);
        Assert.Contains(events, e => Text(e, "cat") == "host" && Text(e, "name") == "step");
        Assert.Contains(events, e => Text(e, "ph") == "C");
    }

    /// <summary>A text of which little is left to validate on: that takes the simulator longer than the steps.</summary>
    private static void WriteText(TemporaryDirectory directory) =>
        File.WriteAllText(directory.File("text.txt"), string.Join(' ', Enumerable.Range(0, 600).Select(i => i * i)));

    private static JsonElement[] Timeline(TemporaryDirectory directory, Dictionary<string, string> environment, out string error)
    {
        WriteText(directory);
        using CliProcess process = CliProcess.Start(
            directory.Path, environment, [.. Tiny.Model, "--backend", "cuda-sim", "--steps", "3", "--data", "text.txt", "--trace", "trace.json"]);
        error = process.Wait().Succeeded().Error;
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(directory.File("trace.json")));
        return [.. json.RootElement.Clone().GetProperty("traceEvents").EnumerateArray()];
    }

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;

    private static double Number(JsonElement element, string name) => element.GetProperty(name).GetDouble();

    private static double[] Losses(TemporaryDirectory directory, string backend, string options)
    {
        CliProcess.Run(directory.Path,
            [.. Tiny.Model, "--backend", backend, "--steps", $"{Steps}", "--lr", "0.01", "--data", "text.txt", "--out", backend, "--log-json", $"{backend}.jsonl", .. options.Split(' ')]).Succeeded();
        return
        [
            .. File.ReadLines(directory.File($"{backend}.jsonl")).Select(line =>
            {
                using JsonDocument json = JsonDocument.Parse(line);
                return json.RootElement.GetProperty("loss").GetDouble();
            }),
        ];
    }
}

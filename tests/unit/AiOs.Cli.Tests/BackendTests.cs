using System.Text.Json;

namespace AiOs.Cli.Tests;

/// <summary>Training runs on the CUDA kernels, simulated, beside the same runs on the CPU's.</summary>
public sealed class BackendTests
{
    private const int Steps = 20;
    private const double Bound = 1e-4;

    /// <summary>Dropout draws the same numbers; parts of a batch add up, in a graph or not; bf16 rounds alike.</summary>
    /// <remarks>bf16 rounds each activation, so that one different bit is a difference of 2^-9 of a value.</remarks>
    [Theory]
    [InlineData("--dtype f32 --dropout 0.1", Bound)]
    [InlineData("--dtype f32 --accumulate 2 --grad-clip 0.5 --graph", Bound)]
    [InlineData("--dtype bf16 --dropout 0.1", 100 * Bound)]
    public void A_simulated_run_has_the_losses_of_the_cpu_at_every_step(string options, double bound)
    {
        using TemporaryDirectory directory = new();
        File.WriteAllText(directory.File("text.txt"), string.Join(' ', Enumerable.Range(0, 600).Select(i => i * i))); // little to validate on
        double[] cpu = Losses(directory, "cpu", options), simulated = Losses(directory, "cuda-sim", options);
        Assert.Equal(Steps, cpu.Length);
        Assert.Equal(Steps, simulated.Length);
        Assert.True(cpu[^1] < cpu[0] - 0.1, "the model does not learn: nothing is compared");
        for (int step = 0; step < Steps; step++)
        {
            Assert.True(Math.Abs(cpu[step] - simulated[step]) <= bound, $"step {step}: {cpu[step]:R} on cpu, {simulated[step]:R} on cuda-sim");
        }
    }

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

using System.Text.Json;

namespace AiOs.Cli.Tests;

/// <summary>What <c>aios doctor</c> says of CUDA: a machine without it is fine, and whatever is wrong is one clear line.</summary>
public sealed class CudaDoctorTests
{
    private static readonly string Here = AppContext.BaseDirectory;

    [Fact]
    public void A_machine_without_a_GPU_is_fine()
    {
        Assert.SkipWhen(File.Exists("/dev/nvidiactl"), "this machine has a GPU");
        JsonElement document = Doctor(null, out int exitCode);
        Assert.Equal(0, exitCode);
        Assert.True(document.GetProperty("healthy").GetBoolean());
        (string found, string verdict, string fix) = Available(document, "cuda");
        Assert.StartsWith("no: ", found, StringComparison.Ordinal);
        Assert.Equal("note", verdict);
        Assert.Contains("cuda-sim", fix, StringComparison.Ordinal);
        (found, verdict, _) = Available(document, "cuda-sim");
        Assert.Equal(("yes", "ok"), (found, verdict));
    }

    [Theory]
    [InlineData("driver=11000", "no: the driver supports CUDA 11.0, but 12.0 is needed", "install an NVIDIA driver of at least version 525")]
    [InlineData("init=100", "no: the driver found no device", "nvidia-smi lists a GPU")]
    [InlineData("init=999", "no: the driver cannot start", "nvidia-smi works")]
    [InlineData("arch=70", "(sm_70) cannot run the kernels of", "compute capability 8.0 or newer")]
    [InlineData("oops", "no: the driver cannot start: AIOS_CUDASIM_FAULTS has \"oops\"", "a value that is possible")]
    public void What_is_wrong_is_one_line_and_what_to_do_another(string faults, string problem, string fix)
    {
        JsonElement document = Doctor(new Dictionary<string, string> { ["AIOS_CUDASIM_FAULTS"] = faults }, out int exitCode);
        Assert.Equal(1, exitCode);
        (string found, string verdict, string advice) = Available(document, "cuda-sim");
        Assert.Contains(problem, found, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', found);
        Assert.Equal("problem", verdict);
        Assert.Contains(fix, advice, StringComparison.Ordinal);
    }

    [Fact]
    public void The_environment_chooses_the_backend_and_a_number_the_device()
    {
        using CliProcess help = CliProcess.Start(Here, new Dictionary<string, string> { ["AIOS_BACKEND"] = "cuda-sim:1" }, ["train", "--help"]);
        Assert.Contains("cuda-sim:1", help.Wait().Output, StringComparison.Ordinal);
        CliResult result = CliProcess.Run(Here, "memory", "--backend", "cuda-sim:7", "--layers", "1", "--steps", "1");
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("there is no device cuda-sim:7; there are 2", result.Error, StringComparison.Ordinal);
    }

    private static JsonElement Doctor(IReadOnlyDictionary<string, string>? environment, out int exitCode)
    {
        using CliProcess process = CliProcess.Start(Here, environment, ["doctor", "--json"]);
        CliResult result = process.Wait();
        exitCode = result.ExitCode;
        return JsonDocument.Parse(result.Output).RootElement;
    }

    private static (string Found, string Verdict, string Fix) Available(JsonElement document, string backend)
    {
        JsonElement section = document.GetProperty("sections").EnumerateArray().Single(section => section.GetProperty("title").GetString() == $"Backend {backend}");
        JsonElement finding = section.GetProperty("findings").EnumerateArray().First();
        Assert.Equal("available", finding.GetProperty("name").GetString());
        return (finding.GetProperty("found").GetString()!, finding.GetProperty("verdict").GetString()!, finding.GetProperty("fix").GetString() ?? "");
    }
}

using System.Text.Json;

namespace AiOs.Cli.Tests;

/// <summary>The command line as a whole: help, bad usage, JSON. Nothing here trains.</summary>
public sealed class UsageTests
{
    private static readonly string Here = Path.GetTempPath();

    [Theory]
    [InlineData("--help", "devices doctor train generate memory bench")]
    [InlineData("devices --help", "--json")]
    [InlineData("doctor --help", "--json")]
    [InlineData("train --help", "--data --tokens --dtype --layers --heads --embd --block --batch --accumulate --vocab --steps --lr --weight-decay "
        + "--beta1 --beta2 --warmup --schedule --grad-clip --dropout --order --backend --seed --threads --init --out --save-every --resume --log-json --memory-snapshot --json default:")]
    [InlineData("memory --help", "--snapshot --html --steps --dtype --layers --heads --embd --block --batch --accumulate --vocab --backend --threads --json default:")]
    [InlineData("bench --help", "gemm qmatmul attention norm softmax crossentropy adamw copy launch train all --backend --dtype --shapes --threads --peers "
        + "--rounds --json --html --results --baseline --fail-below default:")]
    [InlineData("generate --help", "--model --prompt --max-tokens --temperature --top-k --top-p --seed --json default:")]
    public void Help_names_every_option(string arguments, string words)
    {
        CliResult result = CliProcess.Run(Here, arguments.Split(' ')).Succeeded();
        Assert.All(words.Split(' '), word => Assert.Contains(word, result.Output, StringComparison.Ordinal));
    }

    [Fact]
    public void Version_is_printed() => Assert.StartsWith("0.", CliProcess.Run(Here, "--version").Succeeded().Output, StringComparison.Ordinal);

    [Theory]
    [InlineData("", "devices, doctor, train, generate, memory, bench")]
    [InlineData("tarin", "'tarin'|train")]
    [InlineData("train --epochs 3", "--epochs|aios train --help")]
    [InlineData("train --layers four", "--layers four|whole number")]
    [InlineData("train --layers 0", "--layers 0|from 1")]
    [InlineData("train --layers", "--layers needs a value")]
    [InlineData("train --lr fast", "--lr fast|number")]
    [InlineData("train --lr NaN", "--lr NaN|number")]
    [InlineData("train --lr -1", "--lr -1|number")]
    [InlineData("train --beta1 1", "--beta1 1|below 1")]
    [InlineData("train --dropout 1", "--dropout 1|below 1")]
    [InlineData("train --threads 0", "--threads 0")]
    [InlineData("train --vocab 65537", "--vocab 65537|65536")]
    [InlineData("train --schedule step", "--schedule step|cosine, linear, constant")]
    [InlineData("train --dtype f16", "--dtype f16|f32, bf16")]
    [InlineData("train --order random", "--order random|shuffle, sequential")]
    [InlineData("train --seed -1", "--seed -1")]
    [InlineData("train --embd 100 --heads 3", "--embd 100|--heads 3")]
    [InlineData("train --batch 10 --accumulate 4", "--batch 10|--accumulate 4")]
    [InlineData("train --tokens a.bin --data b.txt", "--tokens|--data")]
    [InlineData("train --resume out --init a.safetensors", "--resume|--init")]
    [InlineData("train --backend vulkan", "vulkan|cpu")]
    [InlineData("generate --prompt hello", "--model")]
    [InlineData("memory --steps 0", "--steps 0|from 1")]
    [InlineData("memory --snapshot", "--snapshot needs a value")]
    [InlineData("memory --embd 100 --heads 3", "--embd 100|--heads 3")]
    [InlineData("bench", "bench")]
    [InlineData("bench gem", "'gem'|gemm")]
    [InlineData("bench gemm --shapes 1,2", "--shapes 1,2|m,n,k")]
    [InlineData("bench gemm --dtype i9", "--dtype i9|bf16")]
    [InlineData("bench softmax --dtype q4_k", "--dtype q4_k|softmax has f32, bf16")]
    [InlineData("bench gemm --rounds 1", "--rounds 1|from 3")]
    [InlineData("bench gemm --fail-below 0.9", "--fail-below|--baseline")]
    [InlineData("bench gemm --backend gpu", "--backend gpu")]
    [InlineData("generate --model out --temperature -1", "--temperature -1")]
    [InlineData("generate --model out --top-p 2", "--top-p 2")]
    [InlineData("generate --model out --top-k 0", "--top-k 0")]
    [InlineData("devices now", "'now'")]
    public void Bad_usage_is_one_line_and_exit_code_2(string arguments, string words)
    {
        using TemporaryDirectory directory = new();
        CliResult result = CliProcess.Run(directory.Path, arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries));

        result.FailedWith(2, words.Split('|'));
        Assert.Empty(result.Output);
        Assert.Empty(Directory.GetFileSystemEntries(directory.Path));
    }

    [Fact]
    public void Devices_lists_the_cpu()
    {
        Assert.Contains("cpu", CliProcess.Run(Here, "devices").Succeeded().Output, StringComparison.Ordinal);
        using JsonDocument json = JsonDocument.Parse(CliProcess.Run(Here, "devices", "--json").Succeeded().Output);
        JsonElement backend = json.RootElement.GetProperty("backends")[0];

        Assert.Equal("cpu", backend.GetProperty("name").GetString());
        Assert.True(backend.GetProperty("available").GetBoolean());
        Assert.InRange(backend.GetProperty("devices")[0].GetProperty("threads").GetInt32(), 1, 1024);
    }

    [Fact]
    public void Output_fits_80_columns_and_has_no_colours_when_it_is_not_a_terminal()
    {
        foreach (string command in new[] { "devices", "doctor" })
        {
            string output = CliProcess.Run(Here, command).Succeeded().Output;
            Assert.DoesNotContain('\e', output);
            Assert.All(output.Split('\n').Where(line => !line.Contains('/', StringComparison.Ordinal)), line => Assert.InRange(line.Length, 0, 80));
        }
    }

    [Fact]
    public void Doctor_says_where_the_library_was_found()
    {
        CliResult result = CliProcess.Run(Here, "doctor", "--json").Succeeded();
        using JsonDocument json = JsonDocument.Parse(result.Output);

        Assert.True(json.RootElement.GetProperty("healthy").GetBoolean());
        Assert.Contains("libaios_cpu.so", result.Output, StringComparison.Ordinal);
        JsonElement processor = json.RootElement.GetProperty("sections").EnumerateArray().Single(s => s.GetProperty("title").GetString() == "Processor");
        string quota = processor.GetProperty("findings").EnumerateArray().Single(f => f.GetProperty("name").GetString() == "quota").GetProperty("found").GetString()!;
        Assert.Matches(@"^(none|\d+(\.\d+)? processors' worth of time \(container limit\))$", quota);
    }

    [Fact]
    public void Doctor_names_what_is_wrong_and_what_to_do()
    {
        Dictionary<string, string> environment = new() { ["AIOS_CPU_ISA"] = "sse9" };
        using CliProcess process = CliProcess.Start(Here, environment, ["doctor"]);
        CliResult result = process.Wait();

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("AIOS_CPU_ISA", result.Output, StringComparison.Ordinal);
        Assert.Contains("to do", result.Output, StringComparison.Ordinal);
    }
}

using System.Buffers.Binary;

namespace AiOs.Cli.Tests;

/// <summary>What users get wrong or disks do: each is one line with the file and the fix, and leaves nothing behind.</summary>
public sealed class BadInputTests
{
    [Theory]
    [InlineData("--data nothing.txt", "nothing.txt")]
    [InlineData("--data empty.txt", "empty.txt")]
    [InlineData("--data short.txt", "short.txt|--block")]
    [InlineData("--data .", "directory")]
    [InlineData("--tokens nothing.bin", "nothing.bin")]
    [InlineData("--tokens empty.bin", "empty.bin|empty")]
    [InlineData("--tokens odd.bin", "odd.bin")]
    [InlineData("--tokens tokens.bin --vocab 100", "tokens.bin|token 999|--vocab")]
    [InlineData("--tokens tokens.bin --block 100000", "tokens.bin|--block")]
    [InlineData("--tokens tokens.bin --block 100000 --order sequential", "tokens.bin|--block")]
    [InlineData("--tokenizer .", "vocab.json")]
    [InlineData("--init nothing.safetensors --heads 2", "nothing.safetensors")]
    [InlineData("--init odd.bin --heads 2", "odd.bin")]
    [InlineData("--init lying.safetensors --heads 2", "lying.safetensors")]
    [InlineData("--resume empty.txt", "empty.txt")]
    [InlineData("--out empty.txt", "empty.txt")]
    [InlineData("--out /proc/aios", "/proc/aios")]
    [InlineData("--log-json nowhere/log.jsonl", "nowhere/log.jsonl")]
    [InlineData("--log-json /dev/full", "/dev/full|full")]
    [InlineData("--lr 1000 --grad-clip 0 --schedule constant --warmup 0 --steps 300", "step|--lr")]
    public void Training_fails_with_one_line_and_leaves_nothing(string arguments, string words)
    {
        using TemporaryDirectory directory = new();
        File.WriteAllText(directory.File("empty.txt"), string.Empty);
        File.WriteAllText(directory.File("short.txt"), "too short");
        File.WriteAllBytes(directory.File("empty.bin"), []);
        File.WriteAllBytes(directory.File("odd.bin"), [1, 2, 3]);
        byte[] tokens = new byte[4000];
        BinaryPrimitives.WriteUInt16LittleEndian(tokens.AsSpan(1000), 999);
        File.WriteAllBytes(directory.File("tokens.bin"), tokens);
        byte[] lying = new byte[64];
        BinaryPrimitives.WriteInt64LittleEndian(lying, long.MaxValue);
        File.WriteAllBytes(directory.File("lying.safetensors"), lying);
        string[] before = Entries(directory);

        List<string> command = ["train", "--steps", "3", "--threads", "2"];
        string[] given = arguments.Split(' ');
        if (!given.Contains("--init") && !given.Contains("--resume"))
        {
            command.AddRange(["--layers", "1", "--heads", "2", "--embd", "16", "--batch", "4"]);
        }

        if (!given.Contains("--block") && !given.Contains("--init") && !given.Contains("--resume"))
        {
            command.AddRange(["--block", "16"]);
        }

        if (given.Contains("--steps"))
        {
            command.RemoveRange(1, 2);
        }

        CliProcess.Run(directory.Path, [.. command, .. given]).FailedWith(1, words.Split('|'));
        Assert.Equal(before, Entries(directory));
    }

    [Theory]
    [InlineData("--data text.txt --vocab 100", "--vocab 100|256")]
    public void Vocabulary_that_contradicts_the_tokenizer_is_bad_usage(string arguments, string words)
    {
        using TemporaryDirectory directory = new();
        File.WriteAllText(directory.File("text.txt"), new string('a', 4000));

        CliProcess.Run(directory.Path, ["train", .. arguments.Split(' ')]).FailedWith(2, words.Split('|'));
    }

    [Fact]
    public void Truncated_weights_are_named_at_every_length()
    {
        using TemporaryDirectory directory = new();
        CliProcess.Run(directory.Path, [.. Tiny.Model, "--steps", "1"]).Succeeded();
        string weights = Directory.GetFiles(directory.File("out"), "model.safetensors", SearchOption.AllDirectories).Single();
        byte[] bytes = File.ReadAllBytes(weights);
        foreach (int length in new[] { 0, 7, 100, bytes.Length / 2, bytes.Length - 1 })
        {
            File.WriteAllBytes(directory.File("cut.safetensors"), bytes[..length]);
            CliProcess.Run(directory.Path, "train", "--init", "cut.safetensors", "--heads", "2", "--out", "next").FailedWith(1, "cut.safetensors");
            CliProcess.Run(directory.Path, "generate", "--model", "cut.safetensors", "--prompt", "a", "--heads", "2").FailedWith(1, "cut.safetensors");
        }

        Assert.False(Directory.Exists(directory.File("next")));
        File.WriteAllBytes(weights, bytes[..^1]);
        CliProcess.Run(directory.Path, "generate", "--model", "out", "--prompt", "a").FailedWith(1, "model.safetensors");
        CliProcess.Run(directory.Path, "train", "--resume", "out").FailedWith(1, "model.safetensors");
    }

    [Theory]
    [InlineData("nowhere", "nowhere")]
    [InlineData(".", "checkpoint")]
    public void Generating_without_a_model_names_the_path(string model, string word)
    {
        using TemporaryDirectory directory = new();
        CliProcess.Run(directory.Path, "generate", "--model", model, "--prompt", "a").FailedWith(1, word);
    }

    private static string[] Entries(TemporaryDirectory directory) =>
        [.. Directory.GetFileSystemEntries(directory.Path, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
}

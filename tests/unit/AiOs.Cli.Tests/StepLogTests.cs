using System.Text.Json;
using AiOs.Cli.Runs;
using AiOs.Training;

namespace AiOs.Cli.Tests;

public sealed class StepLogTests
{
    [Fact]
    public void A_line_per_step_keeps_every_digit()
    {
        using TemporaryDirectory directory = new();
        string path = directory.File("log.jsonl");
        double loss = 1.0 / 3;
        using (StepLog log = StepLog.Open(path, 0, history: false))
        {
            log.Write(Step(0, loss));
            log.Write(new ValidationRecord(1, 2.5));
            log.Write(Step(1, double.NaN));
        }

        string[] lines = File.ReadAllLines(path);
        Assert.Equal(2, lines.Length);
        using JsonDocument first = JsonDocument.Parse(lines[0]);
        Assert.Equal(["step", "loss", "grad_norm", "lr", "ms", "tokens_per_s"], first.RootElement.EnumerateObject().Select(p => p.Name));
        Assert.Equal(loss, first.RootElement.GetProperty("loss").GetDouble());
        using JsonDocument second = JsonDocument.Parse(lines[1]);
        Assert.Equal(JsonValueKind.Null, second.RootElement.GetProperty("loss").ValueKind);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"step\":5,\"loss\":1.2")]
    [InlineData("{\"step\":5,\"loss\":1.25}")]
    [InlineData("\0\0\0\0\0\0")]
    public void Resuming_drops_what_comes_later_and_a_torn_end(string torn)
    {
        using TemporaryDirectory directory = new();
        string path = directory.File("log.jsonl");
        using (StepLog log = StepLog.Open(path, 0, history: false))
        {
            for (int i = 0; i < 5; i++)
            {
                log.Write(Step(i, 4 - i));
            }
        }

        File.AppendAllText(path, torn);
        using (StepLog log = StepLog.Open(path, 3, history: false))
        {
            log.Write(Step(3, 9));
        }

        Assert.Equal([4.0, 3, 2, 9], StepLog.Read(path).Steps.Select(s => s.Loss));
    }

    [Fact]
    public void A_history_also_keeps_memory_and_evaluations_up_to_the_step_that_resumes()
    {
        using TemporaryDirectory directory = new();
        string path = directory.File("history.jsonl");
        using (StepLog log = StepLog.Open(path, 0, history: true))
        {
            for (int i = 0; i < 6; i++)
            {
                log.Write(Step(i, i));
                log.Write(new ValidationRecord(i + 1, 10 + i));
            }
        }

        StepLog.Open(path, 4, history: true).Dispose();
        (List<StepRecord> steps, List<ValidationRecord> validation) = StepLog.Read(path);

        Assert.Equal([0L, 1, 2, 3], steps.Select(s => s.Step));
        Assert.Equal([1L, 2, 3, 4], validation.Select(v => v.Step));
        Assert.All(steps, step => Assert.Equal(1000, step.MemoryBytes));
    }

    [Fact]
    public void Starting_anew_empties_the_file()
    {
        using TemporaryDirectory directory = new();
        string path = directory.File("log.jsonl");
        File.WriteAllText(path, "old\n");
        StepLog.Open(path, 0, history: false).Dispose();

        Assert.Equal(0, new FileInfo(path).Length);
    }

    private static StepRecord Step(long step, double loss) => new(step, loss, 1.5, 1e-3, 12.5, 4096, 1000);
}

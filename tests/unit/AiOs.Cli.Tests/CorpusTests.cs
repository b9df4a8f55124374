using System.Text;
using AiOs.Cli.Corpus;
using AiOs.Training.Data;

namespace AiOs.Cli.Tests;

public sealed class CorpusTests
{
    [Fact]
    public void Packed_text_holds_the_repository_and_nothing_generated()
    {
        string text = Encoding.UTF8.GetString(PackedText.Read());

        Assert.Contains("README.md", PackedText.Files);
        Assert.Contains("native/include/aios_kernels.h", PackedText.Files);
        Assert.Contains("tests/unit/AiOs.Cli.Tests/CorpusTests.cs", PackedText.Files);
        Assert.DoesNotContain(PackedText.Files, file => file.Contains("/obj/", StringComparison.Ordinal) || file.Contains("enerated/", StringComparison.Ordinal));
        Assert.Contains("Packed_text_holds_the_repository_and_nothing_generated", text, StringComparison.Ordinal);
        Assert.Contains(PackedText.Files.TakeLast(PackedText.Files.Count / 5), file => file.StartsWith("managed/", StringComparison.Ordinal));
        Assert.True(text.Length > 100_000, "the text is too short to learn from");
    }

    [Fact]
    public void Bigram_cross_entropy_is_the_formula_over_a_full_table()
    {
        Random random = new(7);
        const int vocabulary = 11;
        ushort[] tokens = [.. Enumerable.Range(0, 150_000).Select(i => (ushort)Math.Min(random.Next(vocabulary), random.Next(vocabulary)))];
        TokenArray training = new("training", tokens.AsMemory(0, 140_000));
        TokenArray validation = new("validation", tokens.AsMemory(140_000));

        double[,] counts = new double[vocabulary, vocabulary];
        for (int i = 0; i + 1 < 140_000; i++)
        {
            counts[tokens[i], tokens[i + 1]]++;
        }

        double sum = 0;
        for (int i = 140_000; i + 1 < tokens.Length; i++)
        {
            double row = Enumerable.Range(0, vocabulary).Sum(b => counts[tokens[i], b] + BigramBaseline.Smoothing);
            sum -= Math.Log((counts[tokens[i], tokens[i + 1]] + BigramBaseline.Smoothing) / row);
        }

        Assert.Equal(sum / (tokens.Length - 140_001), BigramBaseline.CrossEntropy(training, validation, vocabulary), 12);
    }

    [Fact]
    public void Bigram_of_unseen_pairs_is_uniform()
    {
        TokenArray training = new("training", new ushort[] { 0, 0, 0 });
        TokenArray validation = new("validation", new ushort[] { 3, 2, 3 });

        Assert.Equal(Math.Log(4), BigramBaseline.CrossEntropy(training, validation, 4), 12);
    }
}

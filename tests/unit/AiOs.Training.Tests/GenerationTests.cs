using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Generation;
using AiOs.Training.Modules;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Tests;

public sealed class GenerationTests
{
    /// <summary>Ways to read eight tokens in parts.</summary>
    private static readonly int[][] Splits = [[8], [3, 1, 4], [1, 1, 1, 1, 1, 1, 1, 1], [7, 1]];

    [Theory]
    [InlineData(DType.F32, 1e-4f)]
    [InlineData(DType.BF16, 0.15f)]
    public void TheCacheGivesTheScoresOfTheWholeSequence(DType dtype, float tolerance) => OnModel(dtype, (model, stream) =>
    {
        int[] tokens = [3, 1, 4, 1, 5, 9, 2, 6];
        using var tape = new Tape(stream, recording: false);
        using Tensor all = Tensor.From<int>(stream, tokens, 1, 8);
        var expected = new float[8 * 29];
        Ops.Cast(tape, model.Forward(tape, all), DType.F32).CopyTo<float>(expected, stream);
        foreach (int[] parts in Splits)
        {
            using var cache = new KeyValueCache(stream, model.Config, dtype);
            int at = 0;
            foreach (int part in parts)
            {
                using Tensor ids = Tensor.From<int>(stream, tokens.AsSpan(at, part), 1, part);
                at += part;
                var got = new float[29];
                Ops.Cast(tape, model.Forward(tape, ids, cache), DType.F32).CopyTo<float>(got, stream);
                tape.Reset();
                Assert.Equal(at, cache.Length);
                Assert.All(got, (g, i) => Assert.Equal(expected[((at - 1) * 29) + i], g, tolerance));
            }
        }
    });

    [Fact]
    public void GreedyTextIsTheLikeliestEvenPastTheContext() => OnModel((model, stream) =>
    {
        using var generator = new Generator(model, stream);
        var greedy = new SamplingOptions { Temperature = 0 };
        int[] got = [.. generator.Generate([3, 1, 4], 30, greedy)];
        Assert.Equal(30, got.Length);
        Assert.Equal(got, generator.Generate([3, 1, 4], 30, greedy));
        Assert.Equal(got[5..], generator.Generate([3, 1, 4, .. got[..5]], 25, greedy));

        // The same without a cache: read the window anew for each token, keeping half when it is full.
        List<int> window = [3, 1, 4];
        using var tape = new Tape(stream, recording: false);
        foreach (int expected in got)
        {
            if (window.Count > 8)
            {
                window.RemoveRange(0, window.Count - 4);
            }

            using Tensor ids = Tensor.From<int>(stream, window.ToArray(), 1, window.Count);
            var logits = new float[29 * window.Count];
            model.Forward(tape, ids).CopyTo<float>(logits, stream);
            tape.Reset();
            float[] last = logits[^29..];
            Assert.Equal(Array.IndexOf(last, last.Max()), expected);
            window.Add(expected);
        }
    });

    [Fact]
    public void GenerationStopsAndRefusesWhatItCannotRead() => OnModel((model, stream) =>
    {
        using var generator = new Generator(model, stream);
        var greedy = new SamplingOptions { Temperature = 0 };
        int[] got = [.. generator.Generate([7], 10, greedy)];
        Assert.Equal(got.TakeWhile(t => t != got[4]), generator.Generate([7], 10, greedy, stop: got[4]));
        Assert.Equal(10, generator.Generate([.. Enumerable.Range(0, 20)], 10, greedy).Count());
        Assert.Contains("empty", Assert.Throws<AiOsException>(() => generator.Generate([], 1, greedy)).Message, StringComparison.Ordinal);
        Assert.Contains("token 29", Assert.Throws<AiOsException>(() => generator.Generate([29], 1, greedy)).Message, StringComparison.Ordinal);
        Assert.Contains("--temperature", Assert.Throws<AiOsException>(() => generator.Generate([1], 1, new SamplingOptions { Temperature = -1 })).Message, StringComparison.Ordinal);
        Assert.Contains("--top-p", Assert.Throws<AiOsException>(() => generator.Generate([1], 1, new SamplingOptions { TopP = 0 })).Message, StringComparison.Ordinal);
        Assert.Contains("--top-k", Assert.Throws<AiOsException>(() => generator.Generate([1], 1, new SamplingOptions { TopK = -1 })).Message, StringComparison.Ordinal);
    });

    [Theory]
    [InlineData(1.0, 0, 1.0, new[] { 0.4, 0.1, 0.2, 0.3 })]
    [InlineData(1.0, 2, 1.0, new[] { 4 / 7.0, 0, 0, 3 / 7.0 })]
    [InlineData(1.0, 0, 0.65, new[] { 4 / 7.0, 0, 0, 3 / 7.0 })]
    [InlineData(1.0, 0, 0.71, new[] { 4 / 9.0, 0, 2 / 9.0, 3 / 9.0 })]
    [InlineData(1.0, 3, 0.5, new[] { 4 / 7.0, 0, 0, 3 / 7.0 })]
    [InlineData(0.5, 0, 1.0, new[] { 16 / 30.0, 1 / 30.0, 4 / 30.0, 9 / 30.0 })]
    [InlineData(1.0, 1, 1.0, new[] { 1.0, 0, 0, 0 })]
    [InlineData(0.0, 0, 1.0, new[] { 1.0, 0, 0, 0 })]
    public void ChoicesFollowTheirProbabilities(double temperature, int topK, double topP, double[] expected)
    {
        float[] logits = [MathF.Log(0.4f), MathF.Log(0.1f), MathF.Log(0.2f), MathF.Log(0.3f)];
        var sampler = new Sampler(new SamplingOptions { Temperature = temperature, TopK = topK, TopP = topP, Seed = 9 });
        const int draws = 20_000;
        var counts = new int[4];
        for (int i = 0; i < draws; i++)
        {
            counts[sampler.Sample(logits, i)]++;
        }

        Assert.All(counts, (count, i) => Assert.Equal(expected[i], count / (double)draws, expected[i] == 0 ? 0 : 0.015));
        var again = new Sampler(new SamplingOptions { Temperature = temperature, TopK = topK, TopP = topP, Seed = 9 });
        Assert.Equal(sampler.Sample(logits, 77), again.Sample(logits, 77));
        logits[2] = float.NaN;
        Assert.Throws<AiOsException>(() => sampler.Sample(logits, 0));
    }

    private static void OnModel(Action<Gpt, Stream> body) => OnModel(DType.F32, body);

    private static void OnModel(DType dtype, Action<Gpt, Stream> body) => Fixtures.OnDevice(device =>
    {
        using Stream stream = device.CreateStream();
        using var model = new Gpt(stream, Fixtures.TinyModel, 1, dtype);

        // Weights large enough for scores that differ from position to position.
        foreach (Parameter parameter in model.Parameters.Where(p => p.Decay))
        {
            var values = new float[parameter.Value.Length];
            Philox.FillNormal(values, 2, (ulong)parameter.Name.Length, 0, 0.4f);
            using var tape = new Tape(stream, recording: false);
            using Tensor drawn = Tensor.From<float>(stream, values, parameter.Value.Shape);
            stream.Copy(parameter.Value.Pointer, Ops.Cast(tape, drawn, dtype).Pointer, parameter.Value.Length * dtype.Size());
        }

        body(model, stream);
        return true;
    });
}

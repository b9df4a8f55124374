using AiOs.Bench.Families;
using AiOs.Bench.Measure;
using AiOs.Bench.Peers;
using AiOs.Runtime;
using AiOs.Tensors;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Bench.Tests;

/// <summary>The gradients that <c>aios bench train</c> checks before it measures.</summary>
public sealed class GradientTests
{
    private static readonly BenchSettings Settings = new() { Benchmark = "train" };

    [Theory]
    [InlineData(DType.F32, 1.01)]
    [InlineData(DType.BF16, 1.1)]
    public void A_gradient_that_is_off_is_found_whichever_it_is(DType dtype, double factor)
    {
        using Device device = Device.Open("cpu", new DeviceOptions { Threads = 2 });
        using Stream stream = device.CreateStream();
        GradientSample sample = GradientSample.Take(new BenchContext(stream, Settings, PeerLibraries.None, new HostTimer(stream), _ => { }), dtype);
        Assert.Null(Compare(sample));
        Assert.Equal(2 + (2 * 12) + 2, sample.Gradients.Count);
        foreach (string name in sample.Gradients.Keys.ToArray())
        {
            float[] right = sample.Gradients[name];
            sample.Gradients[name] = Array.ConvertAll(right, value => (float)(factor * value));
            Assert.Contains($"gradient of {name}", Compare(sample), StringComparison.Ordinal);
            sample.Gradients[name] = right;
        }
    }

    private static string? Compare(GradientSample sample)
    {
        Verdict verdict = new();
        sample.Compare(verdict);
        return verdict.Problem;
    }
}

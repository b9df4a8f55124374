using System.Text.Json;
using AiOs.Bench.Results;

namespace AiOs.Bench.Tests;

public sealed class JsonTests
{
    [Fact]
    public void Every_documented_name_is_there()
    {
        BenchResult result = new()
        {
            Op = "gemm",
            Backend = "cpu",
            DType = "f32",
            Shape = "1,2,3,nn",
            Threads = 2,
            Correct = true,
            MedianUs = 1.5,
            Gflops = 8,
            Gbps = 2,
            LimitShare = 0.9,
            Peers = new Dictionary<string, double> { ["OpenBLAS"] = 3 },
            RatioToBestPeer = 2,
        };
        using JsonDocument document = JsonDocument.Parse(BenchJson.Write([result, result with { Correct = false, MedianUs = null }]));
        Assert.Equal(2, document.RootElement.GetArrayLength());
        JsonElement first = document.RootElement[0];
        foreach (string name in "op backend dtype shape threads median_us gflops gbps limit_share correct peers ratio_to_best_peer".Split(' '))
        {
            Assert.True(first.TryGetProperty(name, out _), name);
        }

        Assert.Equal(3, first.GetProperty("peers").GetProperty("OpenBLAS").GetDouble());
        Assert.Equal(2, first.GetProperty("ratio_to_best_peer").GetDouble());
        Assert.Equal(JsonValueKind.Null, document.RootElement[1].GetProperty("median_us").ValueKind);
    }
}

using System.Text.Json;
using AiOs.Bench.Results;
using AiOs.Runtime;

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

    [Fact]
    public void Conditions_are_kept_with_their_figure()
    {
        BenchResult result = new()
        {
            Op = "gemm",
            Backend = "cuda",
            DType = "f32",
            Shape = "1,2,3,nn",
            Threads = 132,
            Correct = true,
            Peers = new Dictionary<string, double>(),
            ConditionsBefore = DeviceConditions.Of(new DeviceSensors()),
            ConditionsAfter = DeviceConditions.Of(new DeviceSensors { PowerWatts = 650.5, SmClockMhz = 1200, ClockLimits = ClockLimits.PowerCap }),
        };
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, BenchJson.Write([result]));
            using JsonDocument document = JsonDocument.Parse(File.ReadAllText(path));
            JsonElement first = document.RootElement[0];
            Assert.Equal(JsonValueKind.Null, first.GetProperty("conditions_before").ValueKind);
            Assert.Equal(650.5, first.GetProperty("conditions_after").GetProperty("power_watts").GetDouble());
            Assert.Equal(1200, first.GetProperty("conditions_after").GetProperty("sm_clock_mhz").GetInt32());
            Assert.Equal(new DeviceConditions(null, 650.5, 1200, null, "power cap"), Assert.Single(BenchJson.Read(path)).ConditionsAfter);
        }
        finally
        {
            File.Delete(path);
        }
    }
}

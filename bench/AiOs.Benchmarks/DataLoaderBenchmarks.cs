using AiOs.Training.Data;
using BenchmarkDotNet.Attributes;

namespace AiOs.Benchmarks;

/// <summary>Batches of 8 windows of 256 tokens from 4 M tokens in memory, as fast as they can be taken.</summary>
public class DataLoaderBenchmarks : DeviceBenchmarks
{
    private const int Rows = 8;
    private const int Block = 256;
    private const int Batch = 64;

    private BatchLoader _loader = null!;

    /// <summary>In which order the windows come.</summary>
    [Params(DataOrder.Sequential, DataOrder.Shuffle)]
    public DataOrder Order { get; set; }

    /// <summary>Opens the device and starts the loader.</summary>
    [GlobalSetup]
    public void Setup()
    {
        Open();
        var tokens = new ushort[4 << 20];
        for (int i = 0; i < tokens.Length; i++)
        {
            tokens[i] = (ushort)(i * 40503);
        }

        var source = new TokenArray("tokens", tokens);
        _loader = new BatchLoader(Device, source, new WindowOrder(source, Block, Order, 1), Rows, 0, long.MaxValue);
    }

    /// <summary>Per batch.</summary>
    [Benchmark(OperationsPerInvoke = Batch)]
    public int Next()
    {
        int sum = 0;
        for (int i = 0; i < Batch; i++)
        {
            sum += _loader.Next().Inputs.GetSpan()[0];
            _loader.Release();
        }

        return sum;
    }

    /// <inheritdoc/>
    protected override void Close() => _loader.Dispose();
}

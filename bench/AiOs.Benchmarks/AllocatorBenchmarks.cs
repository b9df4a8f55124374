using AiOs.Runtime;
using BenchmarkDotNet.Attributes;

namespace AiOs.Benchmarks;

/// <summary>A pair of allocate and free from the cache of a stream's device, the memory not touched.</summary>
public class AllocatorBenchmarks : DeviceBenchmarks
{
    private const int Live = 64;
    private const int PairsOfAThread = 1 << 20;
    private readonly Allocation[] _blocks = new Allocation[Live];
    private readonly long[] _sizes = new long[1024];

    /// <summary>Opens the device and draws sizes from 512 bytes to 64 MiB, log-uniformly.</summary>
    [GlobalSetup]
    public void Setup()
    {
        Open();
        var random = new Random(1);
        for (int i = 0; i < _sizes.Length; i++)
        {
            _sizes[i] = (long)(512 * Math.Pow(2, 17 * random.NextDouble()));
        }

        for (int i = 0; i < Live; i++)
        {
            _blocks[i] = Device.Memory.Allocate(_sizes[i], Stream);
        }
    }

    /// <summary>The block of the pair before is used again.</summary>
    /// <param name="bytes">Size of the block.</param>
    [Benchmark]
    [Arguments(512)]
    [Arguments(64 << 10)]
    [Arguments(16 << 20)]
    public void Pair(long bytes) => Device.Memory.Free(Device.Memory.Allocate(bytes, Stream));

    /// <summary>
    /// The time of a pair on each of several threads with streams of their own. It is the same for all numbers of threads, up to
    /// that of processors, when they share nothing.
    /// </summary>
    /// <param name="threads">Number of threads.</param>
    [Benchmark(OperationsPerInvoke = PairsOfAThread)]
    [Arguments(1)]
    [Arguments(2)]
    public void PairOnThreads(int threads)
    {
        Thread[] all = [.. Enumerable.Range(0, threads).Select(_ => new Thread(Pairs))];
        Array.ForEach(all, thread => thread.Start());
        Array.ForEach(all, thread => thread.Join());
    }

    /// <summary>64 blocks live; each pair replaces one, the next of 1024 sizes from 512 bytes to 64 MiB.</summary>
    [Benchmark(OperationsPerInvoke = 1024)]
    public void MixedPairs()
    {
        for (int i = 0; i < _sizes.Length; i++)
        {
            ref Allocation block = ref _blocks[i * 37 % Live];
            Device.Memory.Free(block);
            block = Device.Memory.Allocate(_sizes[i], Stream);
        }
    }

    /// <inheritdoc/>
    protected override void Close()
    {
        foreach (Allocation block in _blocks)
        {
            Device.Memory.Free(block);
        }
    }

    private void Pairs()
    {
        using AiOs.Runtime.Stream stream = Device.CreateStream();
        for (int i = 0; i < PairsOfAThread; i++)
        {
            Device.Memory.Free(Device.Memory.Allocate(64 << 10, stream));
        }
    }
}

using AiOs.Runtime;
using AiOs.Tensors;
using BenchmarkDotNet.Attributes;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Benchmarks;

/// <summary>Streams and events with next to nothing to do in them: round trips and throughput.</summary>
public class StreamBenchmarks : DeviceBenchmarks
{
    private const int Batch = 4096;

    private Tensor _tensor;
    private Event _event = null!;
    private Stream _other = null!;

    /// <summary>Opens the device.</summary>
    [GlobalSetup]
    public void Setup()
    {
        Open();
        _tensor = Ones(1);
        _event = Device.CreateEvent();
        _other = Device.CreateStream();
    }

    /// <summary>Enqueues a fill of one byte and waits for it.</summary>
    [Benchmark]
    public void RoundTrip()
    {
        Stream.Fill(_tensor.Pointer, 0, 1);
        Stream.Synchronize();
    }

    /// <summary>Enqueues fills of one byte while a worker drains them; the slower side decides.</summary>
    [Benchmark(OperationsPerInvoke = Batch)]
    public void Throughput()
    {
        for (int i = 0; i < Batch; i++)
        {
            Stream.Fill(_tensor.Pointer, 0, 1);
        }

        Stream.Synchronize();
    }

    /// <summary>Records an event and waits for it.</summary>
    [Benchmark]
    public void RecordAndWait()
    {
        Stream.Record(_event);
        _event.Synchronize();
    }

    /// <summary>A stream that waits for an event that another stream has just recorded, and the host for both.</summary>
    [Benchmark]
    public void AcrossStreams()
    {
        Stream.Record(_event);
        _other.WaitFor(_event);
        _other.Synchronize();
    }

    /// <summary>Asks a stream that has nothing to do.</summary>
    [Benchmark]
    public bool Query() => Stream.IsIdle;

    /// <summary>Makes an event and destroys it.</summary>
    [Benchmark]
    public void CreateEvent() => Device.CreateEvent().Dispose();

    /// <inheritdoc/>
    protected override void Close()
    {
        _event.Dispose();
        _other.Dispose();
        _tensor.Dispose();
    }
}

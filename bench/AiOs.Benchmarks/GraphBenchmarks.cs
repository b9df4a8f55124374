using AiOs.Runtime;
using AiOs.Tensors;
using BenchmarkDotNet.Attributes;

namespace AiOs.Benchmarks;

/// <summary>
/// What a graph saves the host: the same ops enqueued one by one, replayed, and replayed with one of them recorded anew.
/// A matrix product of some milliseconds holds the only worker, as in <see cref="LaunchBenchmarks"/>.
/// </summary>
[WarmupCount(50)]
[IterationCount(100)]
[InvocationCount(1, 1)]
public class GraphBenchmarks : DeviceBenchmarks
{
    private const int Count = 400;
    private const int Holding = 768;

    private Tape _tape = null!;
    private Graph _graph = null!;
    private Action<Runtime.Stream> _last = null!;
    private Tensor _large;
    private Tensor _small;

    /// <summary>Opens the device with one worker and records the ops.</summary>
    [GlobalSetup]
    public void Setup()
    {
        Open(threads: 1);
        _tape = new Tape(Stream, recording: false);
        _large = Ones(Holding);
        _small = Ones(1);
        _last = stream => stream.Fill(_small.Pointer, 0, sizeof(float));
        _graph = Graph.Capture(Stream, _ => EnqueueAll());
        _tape.Reset();
    }

    /// <summary>Holds the worker.</summary>
    [IterationSetup]
    public void Hold()
    {
        Stream.Synchronize();
        _ = Ops.MatMul(_tape, _large, _large);
    }

    /// <summary>Waits for all work, and gives the tape's tensors back.</summary>
    [IterationCleanup]
    public void Finish()
    {
        Stream.Synchronize();
        _tape.Reset();
    }

    /// <summary>400 ops, one by one.</summary>
    [Benchmark(Baseline = true)]
    public void Eager() => EnqueueAll();

    /// <summary>The same as one launch.</summary>
    [Benchmark]
    public void Replayed() => _graph.Launch(Stream);

    /// <summary>The same with one op that is given its numbers anew.</summary>
    [Benchmark]
    public void ReplayedWithOneUpdate()
    {
        _graph.Update(Count - 1, 1, _last);
        _graph.Launch(Stream);
    }

    /// <inheritdoc/>
    protected override void Close()
    {
        _graph.Dispose();
        _tape.Dispose();
        _large.Dispose();
        _small.Dispose();
    }

    private void EnqueueAll()
    {
        for (int i = 1; i < Count; i++)
        {
            _ = Ops.Relu(_tape, _small);
        }

        _last(Stream);
    }
}

using AiOs.Tensors;
using BenchmarkDotNet.Attributes;

namespace AiOs.Benchmarks;

/// <summary>Views and gathers of a [64, 64] tensor. Views launch nothing.</summary>
public class IndexingBenchmarks : DeviceBenchmarks
{
    private const int Batch = 64;

    private readonly float[] _one = new float[1];
    private Tensor _matrix;
    private Tensor _ids;
    private Tensor _cell;
    private Tape _tape = null!;

    /// <summary>Opens the device.</summary>
    [GlobalSetup]
    public void Setup()
    {
        Open();
        _matrix = Ones(64);
        _cell = Ones(1);
        _ids = Tensor.From<int>(Stream, [3, 1, 2], 3);
        _tape = new Tape(Stream, recording: false);
    }

    /// <summary>A range of rows.</summary>
    [Benchmark(OperationsPerInvoke = Batch)]
    public void Slice()
    {
        for (int i = 0; i < Batch; i++)
        {
            _ = Ops.Slice(_tape, _matrix, 0, i, 1);
        }

        _tape.Reset();
    }

    /// <summary>Rows for columns.</summary>
    [Benchmark(OperationsPerInvoke = Batch)]
    public void Transpose()
    {
        for (int i = 0; i < Batch; i++)
        {
            _ = Ops.Transpose(_tape, _matrix, 0, 1);
        }

        _tape.Reset();
    }

    /// <summary>Another shape.</summary>
    [Benchmark(OperationsPerInvoke = Batch)]
    public void Reshape()
    {
        for (int i = 0; i < Batch; i++)
        {
            _ = Ops.Reshape(_tape, _matrix, 16, -1);
        }

        _tape.Reset();
    }

    /// <summary>Three rows by their ids, the launch and the kernel included.</summary>
    [Benchmark(OperationsPerInvoke = Batch)]
    public void Gather()
    {
        for (int i = 0; i < Batch; i++)
        {
            _ = Ops.Gather(_tape, _matrix, 0, _ids);
        }

        _tape.Reset();
        Stream.Synchronize();
    }

    /// <summary>One element to the host, which waits for it.</summary>
    [Benchmark]
    public float ReadOne()
    {
        _cell.CopyTo<float>(_one, Stream);
        return _one[0];
    }

    /// <inheritdoc/>
    protected override void Close()
    {
        _tape.Dispose();
        _matrix.Dispose();
        _cell.Dispose();
        _ids.Dispose();
    }
}

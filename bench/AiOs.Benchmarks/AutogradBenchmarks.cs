using AiOs.Tensors;
using BenchmarkDotNet.Attributes;

namespace AiOs.Benchmarks;

/// <summary>
/// What an op costs beyond its kernel: a chain of products of tensors of 64 elements, without and with recording, and
/// with the backward pass; the time includes the kernels, which a worker runs at the same time.
/// </summary>
public class AutogradBenchmarks : DeviceBenchmarks
{
    private const int Chain = 256;

    private Tensor _x;
    private Tensor _weight;
    private Tape _plain = null!;
    private Tape _recording = null!;

    /// <summary>Opens the device.</summary>
    [GlobalSetup]
    public void Setup()
    {
        Open();
        _x = Tensor.Full(Stream, DType.F32, 1, 64);
        _weight = Tensor.Full(Stream, DType.F32, 1, 64).WithGrad();
        _plain = new Tape(Stream, recording: false);
        _recording = new Tape(Stream);
    }

    /// <summary>Per op, nothing recorded.</summary>
    [Benchmark(OperationsPerInvoke = Chain, Baseline = true)]
    public void Forward()
    {
        _ = Run(_plain);
        _plain.Reset();
        Stream.Synchronize();
    }

    /// <summary>Per op, recorded.</summary>
    [Benchmark(OperationsPerInvoke = Chain)]
    public void ForwardRecorded()
    {
        _ = Run(_recording);
        _recording.Reset();
        Stream.Synchronize();
    }

    /// <summary>Per op, recorded and differentiated: three launches for each product and an accumulation.</summary>
    [Benchmark(OperationsPerInvoke = Chain)]
    public void ForwardAndBackward()
    {
        _recording.Backward(Ops.Sum(_recording, Run(_recording)));
        _recording.Reset();
        Stream.Synchronize();
    }

    /// <inheritdoc/>
    protected override void Close()
    {
        _plain.Dispose();
        _recording.Dispose();
        _x.Dispose();
        _weight.Dispose();
    }

    private Tensor Run(Tape tape)
    {
        Tensor y = _x;
        for (int i = 0; i < Chain; i++)
        {
            y = Ops.Mul(tape, y, _weight);
        }

        return y;
    }
}

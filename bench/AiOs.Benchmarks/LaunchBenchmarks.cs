using AiOs.Interop;
using AiOs.Runtime;
using AiOs.Tensors;
using BenchmarkDotNet.Attributes;

namespace AiOs.Benchmarks;

/// <summary>
/// Cost of a launch until it is enqueued. A matrix product of some milliseconds holds the only worker, so that nothing
/// is drained meanwhile and the calling thread has a core to itself; the commands behind it fit the stream's ring.
/// One invocation is one batch of <see cref="Batch"/> launches.
/// </summary>
[WarmupCount(50)]
[IterationCount(100)]
[InvocationCount(1, 1)]
public unsafe class LaunchBenchmarks : DeviceBenchmarks
{
    private const int Batch = 448;
    private const int Holding = 768;

    private KernelTable _kernels = null!;
    private Tape _tape = null!;
    private Tensor _large;
    private Tensor _small;
    private Tensor _vector;
    private void* _pointer;

    /// <summary>Opens the device with one worker.</summary>
    [GlobalSetup]
    public void Setup()
    {
        Open(threads: 1);
        _kernels = Device.Kernels;
        _tape = new Tape(Stream, recording: false);
        _large = Ones(Holding);
        _small = Ones(1);
        _vector = Tensor.Full(Stream, DType.F32, 1, 64);
        _pointer = (void*)_small.Pointer;
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

    /// <summary>A call into the library that enqueues nothing: what a function pointer and the dispatch cost.</summary>
    [Benchmark(OperationsPerInvoke = Batch, Baseline = true)]
    public long CallOnly()
    {
        long sum = 0;
        for (int i = 0; i < Batch; i++)
        {
            sum += _kernels.aios_reduce_workspace_size(1, 1, 1, aios_reduce_op.Sum, aios_dtype.F32);
        }

        return sum;
    }

    /// <summary>The smallest launch: aios_fill through the kernel table, its status checked.</summary>
    [Benchmark(OperationsPerInvoke = Batch)]
    public void Fill()
    {
        for (int i = 0; i < Batch; i++)
        {
            Stream.Check(_kernels.aios_fill(Stream.Handle, _pointer, 1, 0, aios_dtype.F32), "aios_fill");
        }
    }

    /// <summary>An elementwise launch with its descriptor, without tensors.</summary>
    [Benchmark(OperationsPerInvoke = Batch)]
    public void Unary()
    {
        for (int i = 0; i < Batch; i++)
        {
            aios_elementwise_desc desc;
            desc.rank = 1;
            desc.dtype = aios_dtype.F32;
            desc.alpha = 1;
            desc.beta = 0;
            desc.shape[0] = desc.out_stride[0] = desc.a_stride[0] = desc.b_stride[0] = 1;
            Stream.Check(_kernels.aios_unary(Stream.Handle, _pointer, _pointer, aios_unary_op.Relu, &desc), "aios_unary");
        }
    }

    /// <summary>A copy between device blocks.</summary>
    [Benchmark(OperationsPerInvoke = Batch)]
    public void Copy()
    {
        for (int i = 0; i < Batch; i++)
        {
            Stream.Copy(_vector.Pointer + 128, _vector.Pointer, 4);
        }
    }

    /// <summary>A whole op: checks, a tensor for the result, its memory, the launch.</summary>
    [Benchmark(OperationsPerInvoke = Batch)]
    public void OpRelu()
    {
        for (int i = 0; i < Batch; i++)
        {
            _ = Ops.Relu(_tape, _vector);
        }
    }

    /// <summary>A whole op of two inputs.</summary>
    [Benchmark(OperationsPerInvoke = Batch)]
    public void OpAdd()
    {
        for (int i = 0; i < Batch; i++)
        {
            _ = Ops.Add(_tape, _vector, _vector);
        }
    }

    /// <inheritdoc/>
    protected override void Close()
    {
        _tape.Dispose();
        _large.Dispose();
        _small.Dispose();
        _vector.Dispose();
    }
}

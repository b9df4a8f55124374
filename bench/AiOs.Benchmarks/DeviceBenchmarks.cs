using AiOs.Runtime;
using AiOs.Tensors;
using BenchmarkDotNet.Attributes;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Benchmarks;

/// <summary>A device with a stream, for the benchmarks that need one.</summary>
[MemoryDiagnoser]
public abstract class DeviceBenchmarks : IDisposable
{
    /// <summary>The device, from <see cref="Open"/> to <see cref="Dispose()"/>.</summary>
    protected Device Device { get; private set; } = null!;

    /// <summary>A stream of it.</summary>
    protected Stream Stream { get; private set; } = null!;

    /// <summary>Frees the device. What the derived class holds must be gone.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        Close();
        Stream?.Dispose();
        Device?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Opens the device.</summary>
    /// <param name="threads">Workers; null for as many as there are processors.</param>
    protected void Open(int? threads = null)
    {
        Device = Device.Open("cpu", new DeviceOptions { Threads = threads });
        Stream = Device.CreateStream();
    }

    /// <summary>Frees what the derived class holds.</summary>
    protected virtual void Close()
    {
    }

    /// <summary>A square matrix of ones.</summary>
    protected Tensor Ones(int size) => Tensor.Full(Stream, DType.F32, 1, size, size);
}

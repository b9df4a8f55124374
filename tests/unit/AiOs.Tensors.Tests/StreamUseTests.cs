using AiOs.Runtime;

namespace AiOs.Tensors.Tests;

/// <summary>Tensors of one stream that a tape of another uses may be disposed at any time.</summary>
public class StreamUseTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_a_tape_of_another_stream_still_reads_is_not_given_out_again(bool backward)
    {
        const int Length = 5000;
        using Device device = Device.Open(options: new DeviceOptions { Threads = 2 });
        using Stream own = device.CreateStream(), other = device.CreateStream();
        using var gate = new ManualResetEventSlim();
        using var tape = new Tape(other);
        Tensor x = Tensor.Full(own, DType.F32, 3, Length);
        nint address = x.Pointer;
        own.Synchronize();
        Tensor loss = default;
        if (backward)
        {
            loss = Ops.Sum(tape, Ops.Square(tape, x.WithGrad()));
            other.Synchronize(); // The forward pass is known to be done.
        }

        other.Enqueue(gate.Wait);
        if (backward)
        {
            tape.Backward(loss);
        }
        else
        {
            _ = Ops.Square(tape, x);
        }

        x.Dispose();
        nint meanwhile = Allocated(own, Length);
        gate.Set();
        Assert.NotEqual(address, meanwhile);
        other.Synchronize();
        own.Synchronize();
        using Tensor kept = Tensor.Empty(own, DType.F32, Length);
        Assert.Contains(address, new[] { kept.Pointer, Allocated(own, Length) });
    }

    private static nint Allocated(Stream stream, long length)
    {
        using Tensor tensor = Tensor.Empty(stream, DType.F32, length);
        return tensor.Pointer;
    }
}

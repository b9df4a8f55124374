using System.Runtime.CompilerServices;
using AiOs.Runtime;

namespace AiOs.Tensors.Tests;

public class TensorTests
{
    [Fact]
    public void Using_a_disposed_tensor_throws_even_when_its_body_serves_another()
    {
        using var device = new DeviceFixture();
        Tensor first = Tensor.Zeros(device.Stream, DType.F32, 2, 3);
        Tensor copy = first;
        first.Dispose();
        Assert.True(copy.IsDisposed);
        using Tensor second = Tensor.Zeros(device.Stream, DType.F32, 2, 3);
        Assert.Throws<ObjectDisposedException>(() => copy.Length);
        Assert.Throws<ObjectDisposedException>(() => first.Pointer);
        first.Dispose();
        Assert.Equal(6, second.Length);
        Assert.NotEqual(first, second);
    }

    [Fact]
    public void A_null_tensor_says_so()
    {
        Tensor none = default;
        Assert.True(none.IsNull);
        none.Dispose();
        Assert.Throws<InvalidOperationException>(() => none.Shape.Length);
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        var error = Assert.Throws<ArgumentNullException>(() => Ops.Exp(tape, default));
        Assert.Contains("Exp", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Values_of_every_type_go_to_the_device_and_back()
    {
        using var device = new DeviceFixture();
        RoundTrip(device, [1.5f, -2, 3e30f, float.NaN]);
        RoundTrip(device, [1, -2, int.MaxValue, int.MinValue]);
        RoundTrip(device, [(Half)1.5f, (Half)(-2), Half.MaxValue, Half.Epsilon]);
        RoundTrip(device, [(BFloat16)1.5f, (BFloat16)(-2f), (BFloat16)3e30f, (BFloat16)0f]);
        Assert.Throws<NotSupportedException>(() => Tensor.From<double>(device.Stream, [1.0], 1));
        Assert.Throws<ArgumentException>(() => Tensor.From<float>(device.Stream, [1f, 2f], 3));
        using Tensor one = device.Tensor([4], 1);
        Assert.Equal(4, one.Item(device.Stream));
        Assert.Throws<ArgumentException>(() => one.CopyTo<int>(new int[1], device.Stream));
        Assert.Throws<ArgumentException>(() => one.CopyFrom<float>([1f, 2f], device.Stream));
        using Tensor full = Tensor.Full(device.Stream, DType.I32, 7, 3);
        int[] sevens = new int[3];
        full.CopyTo<int>(sevens, device.Stream);
        Assert.Equal([7, 7, 7], sevens);
    }

    [Fact]
    public void BFloat16_rounds_to_nearest_even()
    {
        Assert.Equal(0x3F80, ((BFloat16)1f).Bits);
        Assert.Equal(0x3F80, ((BFloat16)(1f + 1f / 256)).Bits);
        Assert.Equal(0x3F82, ((BFloat16)(1f + 3f / 256)).Bits);
        Assert.True(float.IsNaN((BFloat16)float.NaN));
        Assert.Equal(float.PositiveInfinity, (BFloat16)float.MaxValue);
    }

    [Fact]
    public void A_tape_ends_its_tensors_but_not_the_kept_ones()
    {
        using var device = new DeviceFixture();
        using Tensor x = device.Tensor([1, 2], 2);
        Tensor kept;
        Tensor dropped;
        using (var tape = new Tape(device.Stream))
        {
            dropped = Ops.Exp(tape, x);
            kept = tape.Keep(Ops.Square(tape, x));
            Assert.Throws<ArgumentException>(() => tape.Keep(x));
            using var other = new Tape(device.Stream);
            Assert.Throws<ArgumentException>(() => Ops.Exp(other, dropped));
            Assert.Equal(4, device.Read(Ops.Affine(other, kept, 1, 0))[1]);
        }

        Assert.True(dropped.IsDisposed);
        Assert.Equal([1f, 4f], device.Read(kept));
        kept.Dispose();
    }

    [Fact]
    public void A_tensor_disposed_early_still_serves_the_backward_pass()
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        using Tensor x = device.Tensor([0.5f, 2], 2).WithGrad();
        Tensor y = Ops.Square(tape, x);
        Tensor loss = Ops.Sum(tape, Ops.Exp(tape, y));
        y.Dispose();
        Assert.Throws<ObjectDisposedException>(() => y.Length);
        tape.Backward(loss);
        float[] gradient = device.Read(x.Grad);
        Assert.Equal(2 * 0.5f * MathF.Exp(0.25f), gradient[0], 1e-5f);
        Assert.Equal(2 * 2f * MathF.Exp(4), gradient[1], 1e-3f);
    }

    [Fact]
    public void Backward_keeps_the_loss_and_frees_the_rest()
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        using Tensor x = device.Tensor(DeviceFixture.Values(1000, 1), 1000).WithGrad();
        Tensor y = x;
        for (int i = 0; i < 10; i++)
        {
            y = Ops.Tanh(tape, y);
        }

        Tensor loss = Ops.Sum(tape, y);
        tape.Backward(loss);
        Assert.True(y.IsDisposed);
        Assert.True(float.IsFinite(loss.Item(device.Stream)));
        Assert.Equal(3, device.Device.Memory.Statistics.LiveBlocks);
        Assert.Throws<InvalidOperationException>(() => tape.Backward(loss));
        x.Grad.Dispose();
        Assert.Equal(1000, x.Grad.Length);
    }

    [Fact]
    public void Leaves_never_share_a_gradient()
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        using Tensor x = device.Tensor([1, 2], 2).WithGrad(), y = device.Tensor([3, 4], 2).WithGrad();
        tape.Backward(Ops.Sum(tape, Ops.Add(tape, x, y)));
        Assert.NotEqual(x.Grad.Pointer, y.Grad.Pointer);
        Assert.Equal([1f, 1f], device.Read(x.Grad));
    }

    [Fact]
    public void The_loss_gradient_scales_and_unreached_leaves_get_none()
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        using Tensor x = device.Tensor([3], 1).WithGrad(), unused = device.Tensor([1], 1).WithGrad();
        _ = Ops.Exp(tape, unused);
        tape.Backward(Ops.Sum(tape, Ops.Square(tape, x)), 0.25f);
        Assert.Equal(1.5f, x.Grad.Item(device.Stream));
        Assert.True(unused.Grad.IsNull);
        Assert.Equal(0, tape.RecordedOps);
    }

    [Fact]
    public void A_cleared_gradient_keeps_its_buffer()
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        using Tensor x = device.Tensor([3, 4], 1, 2).WithGrad(), w = device.Tensor([1, 2, 3, 4], 2, 2).WithGrad();
        nint pointer = 0;
        for (int step = 0; step < 3; step++)
        {
            tape.Backward(Ops.Sum(tape, Ops.Linear(tape, x, w)));
            tape.Reset();
            Assert.Equal([3f, 3f, 4f, 4f], device.Read(w.Grad));
            Assert.True(pointer == 0 || pointer == w.Grad.Pointer);
            pointer = w.Grad.Pointer;
            w.ClearGrad();
            Assert.True(w.Grad.IsNull);
        }
    }

    [Fact]
    public void A_reserved_gradient_is_overwritten_by_the_first()
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        using Tensor x = device.Tensor([3, 4], 1, 2), w = device.Tensor([1, 2, 3, 4], 2, 2).WithGrad();
        w.ReserveGrad(device.Stream);
        Assert.True(w.Grad.IsNull);
        long blocks = device.Device.Memory.Statistics.LiveBlocks;
        w.ReserveGrad(device.Stream);
        tape.Backward(Ops.Sum(tape, Ops.Linear(tape, x, w)));
        tape.Reset();
        Assert.Equal([3f, 3f, 4f, 4f], device.Read(w.Grad));
        Assert.Equal(blocks, device.Device.Memory.Statistics.LiveBlocks);
        Assert.Throws<AiOsException>(() => x.ReserveGrad(device.Stream));
    }

    [Fact]
    public void What_does_not_need_gradients_is_not_recorded()
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        using Tensor x = device.Tensor([1], 1), leaf = device.Tensor([1], 1).WithGrad();
        Assert.False(Ops.Exp(tape, x).RequiresGrad);
        Assert.Equal(0, tape.RecordedOps);
        Assert.True(Ops.Exp(tape, leaf).RequiresGrad);
        tape.Recording = false;
        Assert.False(Ops.Exp(tape, leaf).RequiresGrad);
        Assert.Equal(1, tape.RecordedOps);
        using Tensor ids = device.Indices([1], 1);
        Assert.Throws<InvalidOperationException>(() => ids.WithGrad());
    }

    [Fact]
    public void The_logits_buffer_becomes_the_gradient_when_nothing_else_needs_it()
    {
        using var device = new DeviceFixture();
        const int Rows = 64, Classes = 5000;
        using Tensor x = device.Tensor(DeviceFixture.Values(Rows * 8, 1), Rows, 8), w = device.Tensor(DeviceFixture.Values(Classes * 8, 2), Classes, 8).WithGrad();
        using Tensor targets = device.Indices(new int[Rows], 8, 8);
        long Peak(bool keepLogits)
        {
            using var tape = new Tape(device.Stream);
            Tensor logits = Ops.Reshape(tape, Ops.LinearTransposed(tape, x, w), 8, 8, Classes);
            Tensor loss = Ops.CrossEntropy(tape, logits, targets);
            using Tensor kept = keepLogits ? tape.Keep(logits) : default;
            device.Device.Memory.ResetPeaks();
            tape.Backward(loss);
            return device.Device.Memory.Statistics.PeakAllocatedBytes;
        }

        Peak(false);
        Assert.InRange(Peak(true) - Peak(false), Rows * Classes * sizeof(float), Rows * Classes * sizeof(float) * 11 / 10);
    }

    [Fact]
    public void A_forgotten_tensor_is_freed_and_recorded()
    {
        using Device device = Device.Open(options: new DeviceOptions { OnLeak = _ => { } });
        using Stream stream = device.CreateStream();
        Forget(stream);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.True(Assert.Single(device.Memory.Leaks().Blocks).Finalized);
        Assert.Equal(0, device.Memory.Statistics.LiveBlocks);
    }

    private static void RoundTrip<T>(DeviceFixture device, T[] values)
        where T : unmanaged
    {
        using Tensor tensor = Tensor.From<T>(device.Stream, values, 2, 2);
        Assert.Equal(DTypes.Of<T>(), tensor.DType);
        T[] back = new T[4];
        tensor.CopyTo<T>(back, device.Stream);
        Assert.Equal(values, back);
        using var tape = new Tape(device.Stream);
        Ops.Transpose(tape, tensor, 0, 1).CopyTo<T>(back, device.Stream);
        Assert.Equal([values[0], values[2], values[1], values[3]], back);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget(Stream stream) => Tensor.Zeros(stream, DType.F32, 100);
}

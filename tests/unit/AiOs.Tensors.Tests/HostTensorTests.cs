using System.Numerics.Tensors;
using AiOs.Runtime;
using CommunityToolkit.HighPerformance;

namespace AiOs.Tensors.Tests;

/// <summary>Values on the host as tensors of System.Numerics.Tensors and matrices of the Community Toolkit.</summary>
public sealed class HostTensorTests
{
    [Fact]
    public void A_tensor_comes_to_the_host_with_its_shape()
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        using Tensor tensor = device.Tensor([1, 2, 3, 4, 5, 6], 2, 3);
        using HostTensor<float> transposed = Ops.Transpose(tape, tensor, 0, 1).ToHost<float>(device.Stream);
        Assert.Equal([3, 2], transposed.Lengths.ToArray());
        Assert.Equal(6, transposed.AsReadOnlyTensorSpan()[2, 1]);
        Assert.Equal(2, transposed.AsTensorSpan()[1, 0]);
        Assert.Equal(4, transposed.AsMemory2D().Span[0, 1]);
        transposed.AsTensorSpan()[0, 0] = -1;
        using Tensor back = Tensor.From<float>(device.Stream, transposed.AsReadOnlyTensorSpan());
        Assert.Equal([-1, 4, 2, 5, 3, 6], device.Read(back));
        transposed.Dispose();
        Assert.Throws<ObjectDisposedException>(() => transposed.AsTensorSpan().FlattenedLength);
        Assert.Throws<ObjectDisposedException>(() => transposed.AsMemory2D());
    }

    [Fact]
    public void Scalars_and_empty_tensors_come_to_the_host_too()
    {
        using var device = new DeviceFixture("cpu");
        using Tensor scalar = device.Tensor([7]);
        using HostTensor<float> one = scalar.ToHost<float>(device.Stream);
        Assert.Equal((1, 7f), (one.AsTensorSpan().Rank, one.AsTensorSpan()[0]));
        Assert.Throws<InvalidOperationException>(() => one.AsMemory2D());
        using Tensor none = Tensor.Zeros(device.Stream, DType.I32, 3, 0);
        using HostTensor<int> empty = none.ToHost<int>(device.Stream);
        Assert.True(empty.AsReadOnlyTensorSpan().IsEmpty);
        Assert.Throws<ArgumentException>(() => none.ToHost<float>(device.Stream));
        using HostView<int> view = none.MapHost<int>(device.Stream);
        Assert.True(view.Span.IsEmpty);
        using HostView<float> single = scalar.MapHost<float>(device.Stream);
        Assert.Equal(7, single.Span[0]);
    }

    [Fact]
    public void Strided_values_of_the_host_are_copied_element_by_element()
    {
        using var device = new DeviceFixture();
        float[] grid = [.. Enumerable.Range(0, 20).Select(i => (float)i)];
        var columns = new ReadOnlyTensorSpan<float>(grid, 1, [4, 2], [5, 2]);
        using Tensor tensor = Tensor.From(device.Stream, columns);
        Assert.Equal([4, 2], tensor.Shape.ToArray());
        Assert.Equal([1, 3, 6, 8, 11, 13, 16, 18], device.Read(tensor));
        var target = new float[20];
        tensor.CopyTo(new TensorSpan<float>(target, 0, [4, 2], [5, 2]), device.Stream);
        Assert.Equal([1, 0, 3, 0, 0, 6, 0, 8, 0, 0], target[..10]);
        var error = Assert.Throws<ArgumentException>(() => tensor.CopyTo(new TensorSpan<float>(target, [2, 4]), device.Stream));
        Assert.Contains("[4, 2]", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => tensor.CopyFrom(new ReadOnlyTensorSpan<float>(target, [20]), device.Stream));
        Assert.Throws<ArgumentException>(() => Tensor.From(device.Stream, new ReadOnlyTensorSpan<float>(target, [1, 1, 1, 1, 1, 1, 1, 1, 20])));
    }

    [Fact]
    public void Matrices_may_have_rows_that_lie_apart()
    {
        using var device = new DeviceFixture();
        var grid = new float[4, 6];
        for (int i = 0; i < 24; i++)
        {
            grid[i / 6, i % 6] = i;
        }

        var part = new Memory2D<float>(grid).Slice(1, 2, 2, 3);
        using Tensor tensor = Tensor.From<float>(device.Stream, part.Span);
        Assert.Equal([8, 9, 10, 14, 15, 16], device.Read(tensor));
        tensor.CopyFrom<float>(new float[] { 1, 2, 3, 4, 5, 6 }.AsMemory().AsMemory2D(2, 3).Span, device.Stream);
        tensor.CopyTo(part.Span, device.Stream);
        Assert.Equal([7, 1, 2, 3, 11], grid.AsSpan2D().GetRow(1).ToArray()[1..]);
        Assert.Equal([13, 4, 5, 6, 17], grid.AsSpan2D().GetRow(2).ToArray()[1..]);
        Assert.Equal([18, 19, 20, 21, 22, 23], grid.AsSpan2D().GetRow(3).ToArray());
        Assert.Throws<ArgumentException>(() => tensor.CopyTo(new Memory2D<float>(grid).Span, device.Stream));
        Assert.Throws<ArgumentException>(() => tensor.CopyTo(new Memory2D<int>(new int[2, 3]).Span, device.Stream));
        using Tensor none = Tensor.From<float>(device.Stream, new ReadOnlySpan2D<float>(grid, 0, 0, 0, 3));
        Assert.Equal([0, 3], none.Shape.ToArray());
    }

    [Fact]
    public void Pinned_memory_is_a_tensor_and_a_matrix()
    {
        using var device = new DeviceFixture();
        using PinnedMemory<int> memory = device.Device.AllocatePinned<int>(6);
        memory.AsTensorSpan(2, 3)[1, 0] = 5;
        memory.AsMemory2D(3, 2).Span[2, 1] = 9;
        Assert.Equal((5, 9), (memory.Memory.Span[3], memory.Memory.Span[5]));
        memory.Memory.Span[0] = 4;
        Assert.Equal(4, memory.AsTensorSpan()[0]);
        Assert.Throws<ArgumentException>(() => memory.AsTensorSpan(2, 4).Rank);
        Assert.ThrowsAny<ArgumentException>(() => memory.AsTensorSpan(-1, -6).Rank);
        Assert.ThrowsAny<ArgumentException>(() => memory.AsMemory2D(2, 4));
    }

    [Fact]
    public void A_view_shows_the_tensors_own_memory()
    {
        using var device = new DeviceFixture("cpu");
        using var tape = new Tape(device.Stream);
        using Tensor tensor = device.Tensor([1, 2, 3, 4, 5, 6], 2, 3);
        using (HostView<float> view = Ops.Transpose(tape, tensor, 0, 1).MapHost<float>(device.Stream))
        {
            Assert.Equal(4, view.Span[0, 1]);
            view.Span[2, 0] = 30;
        }

        Assert.Equal([1, 2, 30, 4, 5, 6], device.Read(tensor));
        Assert.Throws<ArgumentException>(() => tensor.MapHost<int>(device.Stream).Span.Rank);

        Tensor sum = tensor;
        for (int i = 0; i < 50; i++)
        {
            sum = Ops.Add(tape, sum, tensor);
        }

        using HostView<float> waited = sum.MapHost<float>(device.Stream);
        Assert.Equal(51 * 30, waited.Span[0, 2]);
    }

    [Fact]
    public void A_view_keeps_the_memory_when_the_tensor_goes()
    {
        using var device = new DeviceFixture("cpu");
        Tensor tensor = device.Tensor([1, 2], 2);
        HostView<float> view = tensor.MapHost<float>(device.Stream);
        tensor.Dispose();
        using (Tensor other = device.Tensor([8, 8], 2))
        {
            Assert.Equal((1f, 2f), (view.Span[0], view.Span[1]));
        }

        view.Dispose();
    }
}

using AiOs.Runtime;

namespace AiOs.Tensors.Tests;

/// <summary>Tensors among the operations of a scheduler.</summary>
public class SchedulerTests
{
    [Fact]
    public void Tensors_take_part_in_scheduled_operations_and_may_be_disposed_at_once()
    {
        using var device = new DeviceFixture(detectRaces: true);
        using var scheduler = new StreamScheduler(device.Device);
        using PinnedMemory<float> got = device.Device.AllocatePinned<float>(3);
        float[] sums = new float[8];
        for (int i = 0; i < sums.Length; i++)
        {
            using (Tensor tensor = device.Tensor([i, i + 1, i + 2], 3))
            {
                scheduler.Run(Lane.Compute, tensor, static (stream, t) => DoubleIt(stream, t), tensor.WriteAccess());
                scheduler.Run(
                    Lane.Copy, (tensor, got), static (stream, s) => stream.Copy(s.got.Pointer, s.tensor.On(stream), s.got.Bytes),
                    tensor.ReadAccess(), Access.Write(got));
            }

            scheduler.WaitFor(Access.Read(got));
            foreach (float value in got.ReadOnlySpan)
            {
                sums[i] += value;
            }
        }

        Assert.Equal(Enumerable.Range(0, sums.Length).Select(i => 2f * ((3 * i) + 3)), sums);
        Assert.Empty(device.Device.Races!.Reports);
    }

    [Fact]
    public void A_views_access_reaches_from_its_first_to_its_last_element()
    {
        using var device = new DeviceFixture();
        using Tensor matrix = device.Tensor(new float[12], 3, 4);
        using var tape = new Tape(device.Stream);
        using Tensor column = Ops.Slice(tape, matrix, 1, 1, 2);
        Access access = column.ReadAccess();
        Assert.Equal((matrix.Pointer + 4, (2 * 4 + 2) * 4L, false), (access.Address, access.Bytes, access.IsWrite));
    }

    private static unsafe void DoubleIt(Stream stream, Tensor tensor)
    {
        var desc = new Interop.aios_elementwise_desc { rank = 1, dtype = Interop.aios_dtype.F32, alpha = 2 };
        desc.shape[0] = tensor.Length;
        desc.out_stride[0] = desc.a_stride[0] = 1;
        void* address = (void*)tensor.Pointer;
        stream.Check(
            stream.Device.Kernels.aios_unary(stream.Handle, address, address, Interop.aios_unary_op.Affine, &desc), "aios_unary");
    }
}

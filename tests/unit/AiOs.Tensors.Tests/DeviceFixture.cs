using AiOs.Interop;
using AiOs.Runtime;

namespace AiOs.Tensors.Tests;

/// <summary>A device and a stream for one test; disposing it fails the test when device memory was left behind.</summary>
internal sealed class DeviceFixture : IDisposable
{
    /// <param name="name">The device; the default one when null.</param>
    /// <param name="detectRaces">As in the options, unless null.</param>
    public DeviceFixture(string? name = null, bool? detectRaces = null)
    {
        var options = new DeviceOptions();
        Device = Device.Open(name, options with { DetectRaces = detectRaces ?? options.DetectRaces });
        Stream = Device.CreateStream();
    }

    public Device Device { get; }

    public Stream Stream { get; }

    /// <summary>Skips the test where the default device has no kernel for an op.</summary>
    /// <param name="op">The op.</param>
    /// <param name="size">A question about a size that the op answers: a negative number is an error.</param>
    public static void SkipWithout(string op, Func<KernelTable, long> size)
    {
        using Device device = Device.Open();
        Assert.SkipWhen(size(device.Kernels) == -(long)aios_status.Unimplemented, $"{Device.DefaultName} has no kernel for {op}");
    }

    /// <summary>Reproducible values, none near 0 and none near another.</summary>
    public static float[] Values(long count, ulong offset)
    {
        float[] values = new float[count];
        Philox.FillUniform(values, 42, offset, -1, 1);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] += 0.25f * MathF.Sign(values[i]);
        }

        return values;
    }

    public Tensor Tensor(float[] values, params long[] shape) => Tensors.Tensor.From<float>(Stream, values, shape);

    public Tensor Indices(int[] values, params long[] shape) => Tensors.Tensor.From<int>(Stream, values, shape);

    public float[] Read(Tensor tensor)
    {
        float[] values = new float[tensor.Length];
        tensor.CopyTo<float>(values, Stream);
        return values;
    }

    public void Dispose()
    {
        LeakReport leaks = Device.Memory.Leaks();
        Stream.Dispose();
        Device.Dispose();
        Assert.True(leaks.Blocks.Count == 0, leaks.ToString());
    }
}

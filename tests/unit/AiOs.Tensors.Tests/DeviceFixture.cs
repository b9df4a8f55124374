using AiOs.Runtime;

namespace AiOs.Tensors.Tests;

/// <summary>A device and a stream for one test; disposing it fails the test when device memory was left behind.</summary>
internal sealed class DeviceFixture : IDisposable
{
    public DeviceFixture(bool? detectRaces = null)
    {
        var options = new DeviceOptions();
        Device = Device.Open("cpu", options with { DetectRaces = detectRaces ?? options.DetectRaces });
        Stream = Device.CreateStream();
    }

    public Device Device { get; }

    public Stream Stream { get; }

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

using AiOs.Interop;

namespace AiOs.Runtime.Tests;

/// <summary>What the simulated devices have that real ones need not: several of them, and no mercy with what is not ordered.</summary>
public sealed class CudaDeviceTests
{
    private const string Backend = "cuda-sim";

    [Fact]
    public void Devices_are_opened_by_number()
    {
        BackendProbe probe = Backends.Probe().Single(probe => probe.Name == Backend);
        Assert.True(probe.Available, probe.Problem);
        Assert.Equal(2, probe.Devices.Count);
        Assert.All(probe.Devices, info => Assert.Equal(("AiOs CUDA simulator", "sm_90", 132), (info.Name, info.Isa, info.Threads)));
        using Device second = Device.Open($"{Backend}:1");
        Assert.Equal($"{Backend}:1", second.Name);
        Assert.Equal((aios_dlpack_device_type.Cuda, 1), (second.Driver.InterchangeDevice.type, second.Driver.InterchangeDevice.id));
        Assert.Contains("there are 2", Assert.Throws<BackendException>(() => Device.Open($"{Backend}:2")).Message, StringComparison.Ordinal);
        Assert.Throws<BackendException>(() => Device.Open($"{Backend}:x"));
        Assert.Throws<BackendException>(() => Device.Open("cpu:1"));
        Assert.True(Backends.Exists("cuda:3"));
        Assert.False(Backends.Exists("cuda:"));
    }

    [Fact]
    public void An_unordered_read_sees_what_no_order_promised()
    {
        using Device device = Device.Open(Backend, new DeviceOptions { DetectRaces = false });
        using Stream first = device.CreateStream(), second = device.CreateStream();
        using DeviceMemory<int> memory = device.Allocate<int>(1, first);
        using PinnedMemory<int> seen = device.AllocatePinned<int>(1);
        int early = 0;
        for (int i = 1; i <= 100; i++)
        {
            memory.CopyFrom([-1], first);
            memory.Span.Fill((byte)i, first);
            second.Copy(seen.Pointer, memory.On(second), sizeof(int));
            device.Synchronize();
            early += seen.GetSpan()[0] == -1 ? 1 : 0;
        }

        Assert.InRange(early, 1, 99); // the simulator is there to show it
    }

    [Theory]
    [InlineData("saxpy", "saxpy")]
    [InlineData("_Z5saxpyPfPKffi", "saxpy")]
    [InlineData("_ZN4aios4cuda12_GLOBAL__N_113gather_kernelIfEEvPT_PKS3_PKixxxxNS0_6ReportE", "gather_kernel")]
    [InlineData("_Z9", "_Z9")]
    public void Kernels_are_named_as_their_source_names_them(string mangled, string name) => Assert.Equal(name, CudaNames.Demangle(mangled));
}

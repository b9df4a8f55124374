namespace AiOs.Runtime.Tests;

/// <summary>The CUDA devices that tests of them use: what AIOS_BACKEND names when it is one, or else the simulator's.</summary>
internal static class CudaDevices
{
    public static string Backend { get; } = Device.DefaultName.StartsWith("cuda", StringComparison.Ordinal) ? Device.DefaultName.Split(':')[0] : "cuda-sim";

    /// <summary>Skips the test where there is one device only.</summary>
    public static void NeedTwo() =>
        Assert.SkipUnless(Backends.Probe().Single(probe => probe.Name == Backend).Devices.Count >= 2, $"{Backend} has one device");
}

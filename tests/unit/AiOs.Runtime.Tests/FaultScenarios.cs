using AiOs.Interop;

namespace AiOs.Runtime.Tests;

/// <summary>
/// What a program sees when the device fails. The simulator fails where AIOS_CUDASIM_FAULTS says, once for a process, so
/// FaultTests runs each of these in one of its own.
/// </summary>
public sealed class FaultScenarios
{
    /// <summary>What the sensors say in the process for them.</summary>
    public const string Readings = "temperature=83,power=650.5,power-limit=700,sm-clock=1200,sm-clock-max=1980,memory-clock=2600,memory-clock-max=2619,"
        + "utilization=97,memory-utilization=41,slowdown=thermal+power-brake,other-processes=2,other-memory=1048576,ecc-errors=3";

    [Fact(Explicit = true)]
    public void Running_out_of_memory_names_the_device_and_leaves_it_usable()
    {
        using Device device = Device.Open("cuda-sim");
        using Stream stream = device.CreateStream();
        using DeviceMemory<byte> kept = device.Allocate<byte>(16 << 20, stream);
        var error = Assert.Throws<DeviceOutOfMemoryException>(() => device.Allocate<byte>(60 << 20, stream));
        Assert.Equal(60 << 20, error.RequestedBytes);
        Assert.Contains("cuda-sim", error.Message, StringComparison.Ordinal);
        Assert.Contains("64.0 MiB", error.Message, StringComparison.Ordinal);
        using DeviceMemory<byte> less = device.Allocate<byte>(8 << 20, stream);
        less.Span.Fill(1, stream);
        stream.Synchronize();
    }

    [Fact(Explicit = true)]
    public void One_refused_mapping_is_tried_again()
    {
        using Device device = Device.Open("cuda-sim");
        using Stream stream = device.CreateStream();
        for (int i = 0; i < 8; i++)
        {
            using DeviceMemory<byte> memory = device.Allocate<byte>((i + 1) << 21, stream);
            memory.Span.Fill(1, stream);
        }

        stream.Synchronize();
        Assert.Equal(1, device.Memory.Statistics.Retries);
    }

    [Fact(Explicit = true)]
    public async Task A_lost_device_fails_everything_and_nothing_hangs()
    {
        using Device device = Device.Open("cuda-sim");
        using Stream stream = device.CreateStream(), other = device.CreateStream();
        using DeviceMemory<float> memory = device.Allocate<float>(4, stream);
        using var release = new ManualResetEventSlim();
        bool ran = false;
        stream.Enqueue(() => release.Wait(TestProcess.Patience)); // the device is lost after all has been enqueued
        Launch(device, stream, memory);
        stream.Enqueue(() => ran = true);
        ValueTask wait = stream.SynchronizeAsync(TestContext.Current.CancellationToken);
        release.Set();
        var error = await Assert.ThrowsAsync<DeviceLostException>(async () => await wait);
        Assert.Contains("CUDA_ERROR_DEVICE_UNAVAILABLE", error.Message, StringComparison.Ordinal);
        Assert.Contains("fill_kernel", error.Message, StringComparison.Ordinal);
        Assert.Contains("start it again", error.Message, StringComparison.Ordinal);
        Assert.False(ran); // an action is skipped, as other work is
        Assert.Throws<DeviceLostException>(stream.Synchronize);
        Assert.Throws<DeviceLostException>(other.Synchronize);
        Assert.Throws<DeviceLostException>(() => memory.Span.Fill(0, other));
        Assert.Throws<DeviceLostException>(() => device.CreateStream());
        error = Assert.Throws<DeviceLostException>(() => Launch(device, other, memory));
        Assert.StartsWith("aios_fill: earlier work has failed: CUDA_ERROR_DEVICE_UNAVAILABLE: fill_kernel: the device was lost", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("<grid", error.Message, StringComparison.Ordinal); // of the launch that comes too late
        Assert.Contains("start it again", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<DeviceLostException>(async () => await other.SynchronizeAsync(TestContext.Current.CancellationToken));
    }

    [Fact(Explicit = true)]
    public void A_launch_that_fails_names_the_kernel_and_where_it_was_enqueued()
    {
        using Device device = Device.Open("cuda-sim", new DeviceOptions { CaptureCallSites = true });
        using Stream stream = device.CreateStream();
        using DeviceMemory<float> memory = device.Allocate<float>(4, stream);
        Launch(device, stream, memory);
        var error = Assert.Throws<BackendException>(stream.Synchronize);
        Assert.Equal(aios_status.ExecutionFailed, error.Status);
        Assert.Contains("CUDA_ERROR_LAUNCH_FAILED: fill_kernel", error.Message, StringComparison.Ordinal);
        Assert.Contains($"{nameof(FaultScenarios)}.Launch (FaultScenarios.cs:", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
        error = Assert.Throws<BackendException>(() => Launch(device, stream, memory));
        Assert.StartsWith("aios_fill: earlier work has failed: CUDA_ERROR_LAUNCH_FAILED: fill_kernel: the launch failed", error.Message, StringComparison.Ordinal);
    }

    [Fact(Explicit = true)]
    public void A_device_without_kernels_is_refused_when_it_is_opened()
    {
        var error = Assert.Throws<BackendException>(() => Device.Open("cuda-sim"));
        Assert.Contains("AiOs CUDA simulator (sm_70) cannot run the kernels of", error.Message, StringComparison.Ordinal);
        Problem("cuda-sim", "sm_70", "compute capability 8.0");
    }

    [Fact(Explicit = true)]
    public void An_old_driver_is_named_with_the_version_that_is_needed() =>
        Problem("cuda-sim", "the driver supports CUDA 11.0, but 12.0 is needed", "install an NVIDIA driver");

    [Fact(Explicit = true)]
    public void A_machine_without_a_device_says_so() => Problem("cuda-sim", "found no device", "nvidia-smi");

    [Fact(Explicit = true)]
    public void A_value_that_is_none_is_named() => Problem("cuda-sim", "AIOS_CUDASIM_FAULTS has \"lost=soon\"", "a value that is possible");

    [Fact(Explicit = true)]
    public void A_library_that_is_missing_is_named()
    {
        BackendProbe probe = Backends.Probe().Single(probe => probe.Name == "cuda");
        Assert.SkipWhen(probe.Tried.Any(tried => tried.Path == "libcuda.so.1" && tried.Outcome == "loaded"), "this machine has the driver");
        Problem("cuda", "libcuda.so.1", "cuda-sim");
        Assert.Empty(probe.Devices);
    }

    [Fact(Explicit = true)]
    public void A_sensor_that_is_none_is_named()
    {
        Problem("cuda-sim", "AIOS_CUDASIM_SENSORS has \"slowdown=hot\"", "a value that is possible");
        Assert.Contains("\"slowdown=hot\"", Backends.ReadSensors("cuda-sim").Problem, StringComparison.Ordinal);
    }

    [Fact(Explicit = true)]
    public void Sensors_are_read_in_their_units()
    {
        using Device device = Device.Open("cuda-sim");
        DeviceSensors sensors = device.ReadSensors();
        Assert.Equal((83, 650.5, 700.0), (sensors.TemperatureCelsius, sensors.PowerWatts, sensors.PowerLimitWatts));
        Assert.Equal((1200, 1980, 2600, 2619), (sensors.SmClockMhz, sensors.SmClockMaxMhz, sensors.MemoryClockMhz, sensors.MemoryClockMaxMhz));
        Assert.Equal((97, 41), (sensors.SmUtilizationPercent, sensors.MemoryUtilizationPercent));
        Assert.Equal(ClockLimits.SoftwareThermal | ClockLimits.PowerBrake, sensors.ClockLimits);
        Assert.Equal((2, 3L), (sensors.OtherProcesses, sensors.UncorrectedEccErrors));
        Assert.Equal(1 << 20, sensors.MemoryUsedBytes - sensors.OwnMemoryBytes);
        Assert.Equal("83 °C, 650 of 700 W, SM clock 1200 of 1980 MHz", sensors.ToString());
        Assert.Equal("heat (driver), power brake", sensors.HeldBackBy());
        Assert.Null(sensors.Problem);
    }

    [Fact(Explicit = true)]
    public void A_lost_device_says_so_when_it_is_read()
    {
        using Device device = Device.Open("cuda-sim"), other = Device.Open("cuda-sim:1");
        using Stream stream = device.CreateStream();
        using DeviceMemory<float> memory = device.Allocate<float>(4, stream);
        Assert.NotNull(device.ReadSensors().MemoryUsedBytes);
        Launch(device, stream, memory);
        Assert.Throws<DeviceLostException>(stream.Synchronize);
        DeviceSensors sensors = device.ReadSensors();
        Assert.True(sensors.IsLost);
        Assert.Contains("the device is lost", sensors.Problem, StringComparison.Ordinal);
        Assert.Equal("0000:01:00.0", sensors.PciBusId);
        Assert.NotNull(sensors.DriverVersion);
        Assert.Null(sensors.MemoryUsedBytes);
        Assert.Null(sensors.OtherProcesses);
        Assert.Equal((false, null), (other.ReadSensors().IsLost, other.ReadSensors().Problem));
    }

    private static unsafe void Launch(Device device, Stream stream, DeviceMemory<float> memory) => stream.Check(
        device.Kernels.aios_fill(stream.Handle, (void*)memory.Pointer, memory.Length, 1, aios_dtype.F32), "aios_fill");

    private static void Problem(string backend, string problem, string fix)
    {
        BackendProbe probe = Backends.Probe().Single(probe => probe.Name == backend);
        Assert.False(probe.Available);
        Assert.Contains(problem, probe.Problem, StringComparison.Ordinal);
        Assert.Contains(fix, probe.Fix, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', probe.Problem!);
        var error = Assert.Throws<BackendException>(() => Device.Open(backend));
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
    }
}

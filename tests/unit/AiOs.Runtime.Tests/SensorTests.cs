using System.Diagnostics;
using System.Runtime.InteropServices;

namespace AiOs.Runtime.Tests;

/// <summary>What devices say of themselves; FaultScenarios has those that the environment makes say something else.</summary>
[Collection("one at a time")] // others would use memory of the same devices
public sealed class SensorTests
{
    /// <summary>An NVML that lacks much, in the ways of old drivers and containers.</summary>
    private const string OldLibrary = """
        #include <string.h>
        struct process { unsigned pid; unsigned long long bytes; unsigned gpu, compute; };
        int nvmlInit_v2(void) { return 0; }
        const char *nvmlErrorString(int result) { return result == 4 ? "not allowed" : "other"; }
        int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, void **device) { *device = (void *)8; return strcmp(bus, "0000:02:00.0") ? 6 : 0; }
        int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *degrees) { *degrees = 41; return device == (void *)8 ? 0 : 2; }
        int nvmlDeviceGetPowerUsage(void *device, unsigned *power) { *power = 7; return 3; }
        int nvmlDeviceGetClockInfo(void *device, int clock, unsigned *mhz) { *mhz = 7; return 4; }
        int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *reasons) { *reasons = 1ull << 40 | 4; return 0; }
        int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, struct process *list) {
          unsigned room = *count;
          *count = 3;
          for (unsigned i = 0; i < 3 && i < room; ++i) list[i] = (struct process){ (1u << 30) + i, 0, 0, 0 };
          return room < 3 ? 7 : 0;
        }
        """;

    [Fact]
    public void The_processor_says_nothing()
    {
        using Device device = Device.Open("cpu");
        Assert.Equal(new DeviceSensors(), device.ReadSensors());
        Assert.Equal("", device.ReadSensors().ToString());
    }

    [Fact]
    public void A_device_is_asked_for_itself_and_not_for_its_neighbour()
    {
        using Device first = Device.Open("cuda-sim:0"), second = Device.Open("cuda-sim:1");
        DeviceSensors neighbour = first.ReadSensors(), before = second.ReadSensors();
        Assert.Equal(("0000:01:00.0", "0000:02:00.0"), (neighbour.PciBusId, before.PciBusId));
        using Stream stream = second.CreateStream();
        using DeviceMemory<byte> memory = second.Allocate<byte>(64 << 20, stream);
        DeviceSensors after = second.ReadSensors();
        Assert.InRange(after.MemoryUsedBytes!.Value - before.MemoryUsedBytes!.Value, 64 << 20, 128 << 20);
        Assert.Equal(after.MemoryUsedBytes, after.OwnMemoryBytes);
        Assert.Equal(second.Info.MemoryBytes, after.MemoryTotalBytes);
        Assert.Equal(neighbour, first.ReadSensors());
    }

    [Fact]
    public void What_there_is_no_sensor_for_is_null()
    {
        Assert.SkipWhen(Environment.GetEnvironmentVariable("AIOS_CUDASIM_SENSORS") is { Length: > 0 }, "the environment gives the simulator sensors");
        using Device device = Device.Open("cuda-sim");
        DeviceSensors sensors = device.ReadSensors();
        Assert.Equal(
            new DeviceSensors
            {
                MemoryUsedBytes = sensors.MemoryUsedBytes,
                MemoryTotalBytes = device.Info.MemoryBytes,
                OwnMemoryBytes = sensors.MemoryUsedBytes,
                OtherProcesses = 0,
                PciBusId = "0000:01:00.0",
                DriverVersion = "12.4 (simulated)",
                NvmlVersion = "12.4 (simulated)",
            },
            sensors);
        Assert.Null(sensors.HeldBackBy());
    }

    [Fact]
    public void A_device_that_does_not_exist_is_a_problem_and_no_exception()
    {
        Assert.Equal("there is no device 'vulkan'", Backends.ReadSensors("vulkan").Problem);
        Assert.Contains("CUDA_ERROR_INVALID_DEVICE", Backends.ReadSensors("cuda-sim:9").Problem, StringComparison.Ordinal);
        Assert.SkipWhen(File.Exists("/dev/nvidiactl"), "this machine has a GPU");
        Assert.Equal(new DeviceSensors { Problem = "libcuda.so.1, the NVIDIA driver, was not found" }, Backends.ReadSensors("cuda"));
    }

    [Fact]
    public void An_old_library_is_read_as_far_as_it_goes()
    {
        using Device device = Device.Open("cuda-sim:1"); // with its context, this process is one of those that are listed
        NvmlLibrary nvml = NvmlLibrary.Start(Compile(OldLibrary), "libold.so");
        DeviceSensors sensors = CudaSensors.Read(CudaLibraries.Simulated(), nvml, 1);
        Assert.Equal(
            new DeviceSensors
            {
                TemperatureCelsius = 41,
                ClockLimits = ClockLimits.PowerCap | ClockLimits.Other,
                OtherProcesses = 2,
                PciBusId = "0000:02:00.0",
                Problem = "nvmlDeviceGetClockInfo: not allowed",
            },
            sensors);
        Assert.Equal("power cap, a reason that is unknown here", sensors.HeldBackBy());
        Assert.Equal("nvmlDeviceGetHandleByPciBusId: other", CudaSensors.Read(CudaLibraries.Simulated(), nvml, 0).Problem);
    }

    [Fact]
    public void A_library_that_cannot_start_is_a_problem()
    {
        NvmlLibrary broken = NvmlLibrary.Start(Compile("int nvmlInit_v2(void) { return 9; } const char *nvmlErrorString(int r) { return \"no\\n  driver\\n\"; } "
            + "int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, void **device) { return 9; }"), "libbroken.so");
        Assert.Equal("nvmlInit: no driver", CudaSensors.Read(CudaLibraries.Simulated(), broken, 0).Problem);
        NvmlLibrary other = NvmlLibrary.Start(Compile("int nvmlInit_v2(void) { return 0; }"), "libother.so");
        Assert.StartsWith("libother.so does not export nvml", CudaSensors.Read(CudaLibraries.Simulated(), other, 0).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void The_simulator_has_some_of_the_optional_libraries_and_the_processor_none()
    {
        Assert.Empty(Backends.OptionalLibraries("cpu"));
        IReadOnlyList<OptionalLibrary> libraries = Backends.OptionalLibraries("cuda-sim");
        Assert.All(libraries, library => Assert.Null(library.Problem));
        Assert.Equal("12.4", libraries.Single(library => library.Name == "NVRTC").Version);
        Assert.Equal("12.4 (simulated)", libraries.Single(library => library.Name == "NVML").Version);
    }

    private static nint Compile(string source)
    {
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        Assert.SkipUnless(folders.Any(path => File.Exists(Path.Combine(path, "cc"))), "there is no C compiler (cc) to make a library with");
        string folder = Directory.CreateTempSubdirectory("aios-sensors-").FullName;
        try
        {
            string file = Path.Combine(folder, "nvml.c"), library = Path.Combine(folder, "libnvml.so");
            File.WriteAllText(file, source);
            using Process compiler = Process.Start("cc", ["-std=c11", "-w", "-shared", "-fPIC", "-o", library, file]);
            compiler.WaitForExit();
            Assert.Equal(0, compiler.ExitCode);
            return NativeLibrary.Load(library);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}

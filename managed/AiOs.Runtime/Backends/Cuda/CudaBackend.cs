using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>NVIDIA GPUs through the CUDA driver, or the simulator that has the driver's ABI.</summary>
internal sealed unsafe class CudaBackend(string name, bool isSimulated) : Backend
{
    private readonly Lazy<CudaLibraries> _libraries = new(isSimulated ? CudaLibraries.Simulated : CudaLibraries.Real);
    private NvmlLibrary? _nvml;

    public override string Name => name;

    private bool IsExpected => isSimulated || File.Exists("/dev/nvidiactl");

    private NvmlLibrary Nvml
    {
        get
        {
            lock (_libraries)
            {
                return _nvml ??= NvmlLibrary.Open(_libraries.Value);
            }
        }
    }

    public override BackendProbe Probe()
    {
        CudaLibraries libraries = _libraries.Value;
        string? problem = libraries.Problem, fix = libraries.Fix;
        List<DeviceInfo> devices = [];
        try
        {
            for (int i = 0; problem is null && i < Count(libraries); i++)
            {
                using var driver = new CudaDriver(libraries, i);
                devices.Add(driver.Info);
            }
        }
        catch (BackendException error)
        {
            (problem, fix) = (error.Message, "use a device of compute capability 8.0 or newer, or build the kernels for this one (docs/design/cuda.md)");
        }
        catch (EntryPointNotFoundException error)
        {
            (problem, fix) = (error.Message, "rebuild the library with: dotnet build");
        }

        return new BackendProbe(
            name, problem is null, problem is null ? devices : [], libraries.Tried, libraries.Path, problem, problem is null ? null : fix)
        {
            IsExpected = IsExpected,
        };
    }

    public override DeviceDriver Open(DeviceOptions options, int index)
    {
        CudaLibraries libraries = _libraries.Value;
        if (libraries.Problem is not null)
        {
            throw new BackendException(
                aios_status.Unimplemented, "Device.Open", $"backend '{name}' is not available: {libraries.Problem}; {libraries.Fix}");
        }

        int count = Count(libraries);
        if (index >= count)
        {
            throw new BackendException(
                aios_status.InvalidArgument, "Device.Open", $"there is no device {name}:{index}; there are {count}, from {name}:0 on");
        }

        var driver = new CudaDriver(libraries, index);
        NvtxRanges.Start();
        return driver;
    }

    public override DeviceSensors ReadSensors(int index) => _libraries.Value switch
    {
        { Problem: { } problem } => new DeviceSensors { Problem = problem },
        var libraries => CudaSensors.Read(libraries, Nvml, index),
    };

    public override IReadOnlyList<OptionalLibrary> OptionalLibraries() =>
        IsExpected || _libraries.Value.HasDriver ? CudaOptionalLibraries.Find(_libraries.Value, Nvml) : [];

    private static int Count(CudaLibraries libraries)
    {
        int count = 0;
        _ = libraries.Cuda!.cuDeviceGetCount(&count);
        return count;
    }
}

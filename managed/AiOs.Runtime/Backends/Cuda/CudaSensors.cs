using System.Text;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>
/// One reading of a device's sensors. The device is found by its place on the bus, because the driver and NVML number
/// devices differently. No context is entered, so that a device that takes no more work can still be asked.
/// </summary>
internal unsafe ref struct CudaSensors
{
    private const ClockLimits Known = ClockLimits.Idle | ClockLimits.ApplicationSetting | ClockLimits.PowerCap | ClockLimits.HardwareSlowdown
        | ClockLimits.SyncBoost | ClockLimits.SoftwareThermal | ClockLimits.HardwareThermal | ClockLimits.PowerBrake | ClockLimits.DisplaySetting;

    private readonly NvmlTable _nvml;
    private nvmlDevice_t _device;
    private nvmlReturn_t _failure;
    private string? _problem;

    private CudaSensors(NvmlTable nvml) => _nvml = nvml;

    /// <summary>Reads the sensors of a device. Never throws.</summary>
    /// <param name="libraries">The backend, which can be used.</param>
    /// <param name="nvml">The library that is asked.</param>
    /// <param name="index">The driver's number of the device.</param>
    public static DeviceSensors Read(CudaLibraries libraries, NvmlLibrary nvml, int index)
    {
        CudaTable cuda = libraries.Cuda!;
        const int BusBytes = 32;
        byte* bus = stackalloc byte[BusBytes];
        CUdevice device = default;
        CUresult found = cuda.cuDeviceGet(&device, index);
        found = found == CUresult.Success ? cuda.cuDeviceGetPCIBusId(bus, BusBytes, device) : found;
        if (found != CUresult.Success)
        {
            return new DeviceSensors { Problem = $"cuDeviceGetPCIBusId: {CudaErrors.Describe(cuda, found)}" };
        }

        var reading = new DeviceSensors
        {
            PciBusId = Encoding.UTF8.GetString(bus, new ReadOnlySpan<byte>(bus, BusBytes).IndexOf((byte)0)),
            DriverVersion = nvml.DriverVersion,
            NvmlVersion = nvml.Version,
            Problem = nvml.Problem,
        };
        if (nvml.Table is null)
        {
            return reading;
        }

        uint flags;
        int active = 0;
        bool takesPart = cuda.cuDevicePrimaryCtxGetState(device, &flags, &active) == CUresult.Success && active != 0;
        return new CudaSensors(nvml.Table).Read(reading, bus, takesPart);
    }

    private DeviceSensors Read(DeviceSensors reading, byte* bus, bool takesPart)
    {
        nvmlDevice_t device;
        if (!Answers(_nvml.nvmlDeviceGetHandleByPciBusId(bus, &device), "nvmlDeviceGetHandleByPciBusId"))
        {
            return Finish(reading);
        }

        _device = device;
        (long? used, long? total) = Memory();
        (int? processors, int? memory) = Utilization();
        (int? others, long? own) = Processes(takesPart);
        return Finish(reading with
        {
            TemperatureCelsius = Temperature(),
            PowerWatts = Number(_nvml.nvmlDeviceGetPowerUsage, "nvmlDeviceGetPowerUsage") / 1e3,
            PowerLimitWatts = Number(_nvml.nvmlDeviceGetEnforcedPowerLimit, "nvmlDeviceGetEnforcedPowerLimit") / 1e3,
            SmClockMhz = Clock(_nvml.nvmlDeviceGetClockInfo, nvmlClockType_t.Sm),
            SmClockMaxMhz = Clock(_nvml.nvmlDeviceGetMaxClockInfo, nvmlClockType_t.Sm),
            MemoryClockMhz = Clock(_nvml.nvmlDeviceGetClockInfo, nvmlClockType_t.Mem),
            MemoryClockMaxMhz = Clock(_nvml.nvmlDeviceGetMaxClockInfo, nvmlClockType_t.Mem),
            SmUtilizationPercent = processors,
            MemoryUtilizationPercent = memory,
            MemoryUsedBytes = used,
            MemoryTotalBytes = total,
            OwnMemoryBytes = own,
            ClockLimits = Limits(),
            OtherProcesses = others,
            UncorrectedEccErrors = EccErrors(),
        });
    }

    private readonly DeviceSensors Finish(DeviceSensors reading) =>
        reading with { IsLost = _failure == nvmlReturn_t.ErrorGpuIsLost, Problem = _problem };

    /// <summary>Whether a call succeeded. That there is no such sensor is no failure; the first other one is kept.</summary>
    private bool Answers(nvmlReturn_t result, string call)
    {
        if (result is not (nvmlReturn_t.Success or nvmlReturn_t.ErrorNotSupported) && _problem is null)
        {
            (_failure, _problem) = (result, NvmlLibrary.Describe(_nvml, call, result));
        }

        return result == nvmlReturn_t.Success;
    }

    private int? Number(delegate* unmanaged[Cdecl]<nvmlDevice_t, uint*, nvmlReturn_t> get, string call)
    {
        uint value;
        return get != null && Answers(get(_device, &value), call) ? (int)value : null;
    }

    private int? Clock(delegate* unmanaged[Cdecl]<nvmlDevice_t, nvmlClockType_t, uint*, nvmlReturn_t> get, nvmlClockType_t clock)
    {
        uint value;
        return get != null && Answers(get(_device, clock, &value), "nvmlDeviceGetClockInfo") ? (int)value : null;
    }

    private int? Temperature()
    {
        uint value;
        return _nvml.HasNvmlDeviceGetTemperature
            && Answers(_nvml.nvmlDeviceGetTemperature(_device, nvmlTemperatureSensors_t.Gpu, &value), "nvmlDeviceGetTemperature") ? (int)value : null;
    }

    private (long? Used, long? Total) Memory()
    {
        // The second version counts what processes use apart from what the driver keeps for itself.
        var memory = new nvmlMemory_v2_t { version = NvmlConstants.nvmlMemory_v2 };
        return _nvml.HasNvmlDeviceGetMemoryInfo_v2 && Answers(_nvml.nvmlDeviceGetMemoryInfo_v2(_device, &memory), "nvmlDeviceGetMemoryInfo")
            ? ((long)memory.used, (long)memory.total) : (null, null);
    }

    private (int? Processors, int? Memory) Utilization()
    {
        nvmlUtilization_t rates;
        return _nvml.HasNvmlDeviceGetUtilizationRates && Answers(_nvml.nvmlDeviceGetUtilizationRates(_device, &rates), "nvmlDeviceGetUtilizationRates")
            ? ((int)rates.gpu, (int)rates.memory) : (null, null);
    }

    private ClockLimits? Limits()
    {
        // Newer drivers call them events; the older name may be gone one day.
        delegate* unmanaged[Cdecl]<nvmlDevice_t, ulong*, nvmlReturn_t> get = _nvml.HasNvmlDeviceGetCurrentClocksEventReasons
            ? _nvml.nvmlDeviceGetCurrentClocksEventReasons : _nvml.nvmlDeviceGetCurrentClocksThrottleReasons;
        ulong reasons;
        return get != null && Answers(get(_device, &reasons), "nvmlDeviceGetCurrentClocksEventReasons")
            ? ((ClockLimits)reasons & Known) | ((reasons & ~(ulong)Known) != 0 ? ClockLimits.Other : ClockLimits.None) : null;
    }

    private long? EccErrors()
    {
        ulong errors;
        return _nvml.HasNvmlDeviceGetTotalEccErrors
            && Answers(
                _nvml.nvmlDeviceGetTotalEccErrors(_device, nvmlMemoryErrorType_t.Uncorrected, nvmlEccCounterType_t.VolatileEcc, &errors),
                "nvmlDeviceGetTotalEccErrors") ? (long)errors : null;
    }

    /// <summary>The number of other processes, and the bytes of this one.</summary>
    /// <param name="takesPart">Whether this process has a context on the device, and so is one of those that are listed.</param>
    private (int? Others, long? OwnBytes) Processes(bool takesPart)
    {
        if (!_nvml.HasNvmlDeviceGetComputeRunningProcesses)
        {
            return (null, null);
        }

        nvmlProcessInfo_v2_t[] list = [];
        uint count = 0;
        nvmlReturn_t result = nvmlReturn_t.ErrorInsufficientSize;
        for (int attempt = 0; attempt < 4 && result == nvmlReturn_t.ErrorInsufficientSize; attempt++)
        {
            // The first answer is how many there are. They come and go, so there is room for a few more.
            list = new nvmlProcessInfo_v2_t[count == 0 ? 0 : count + 4];
            count = (uint)list.Length;
            fixed (nvmlProcessInfo_v2_t* first = list)
            {
                result = _nvml.nvmlDeviceGetComputeRunningProcesses(_device, &count, first);
            }
        }

        if (!Answers(result, "nvmlDeviceGetComputeRunningProcesses"))
        {
            return (null, null);
        }

        foreach (nvmlProcessInfo_v2_t process in list.AsSpan(0, (int)count))
        {
            if (process.pid == Environment.ProcessId)
            {
                bool known = process.usedGpuMemory != unchecked((ulong)NvmlConstants.NVML_VALUE_NOT_AVAILABLE);
                return ((int)count - 1, known ? (long)process.usedGpuMemory : null);
            }
        }

        // A container's processes may have other numbers here, or not be listed at all.
        return takesPart ? (count > 0 ? (int)count - 1 : null, null) : ((int)count, null);
    }
}

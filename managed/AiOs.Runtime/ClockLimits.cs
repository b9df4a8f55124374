using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>What keeps a device's clocks below their maximum. Several may hold at a time.</summary>
[Flags]
public enum ClockLimits
{
    /// <summary>Nothing: the clocks are as high as they may be.</summary>
    None = 0,

    /// <summary>Nothing runs, so the clocks rest; they rise with the next work.</summary>
    Idle = (int)NvmlConstants.nvmlClocksEventReasonGpuIdle,

    /// <summary>Somebody has set lower clocks.</summary>
    ApplicationSetting = (int)NvmlConstants.nvmlClocksEventReasonApplicationsClocksSetting,

    /// <summary>The device draws as much power as it is allowed to.</summary>
    PowerCap = (int)NvmlConstants.nvmlClocksEventReasonSwPowerCap,

    /// <summary>The hardware has lowered the clocks, at least by half: heat, or too little power; another member may say which.</summary>
    HardwareSlowdown = (int)NvmlConstants.nvmlClocksThrottleReasonHwSlowdown,

    /// <summary>The device belongs to a group whose clocks are kept alike.</summary>
    SyncBoost = (int)NvmlConstants.nvmlClocksEventReasonSyncBoost,

    /// <summary>It is too warm, and the driver has lowered the clocks.</summary>
    SoftwareThermal = (int)NvmlConstants.nvmlClocksEventReasonSwThermalSlowdown,

    /// <summary>It is much too warm, and the hardware has lowered the clocks.</summary>
    HardwareThermal = (int)NvmlConstants.nvmlClocksThrottleReasonHwThermalSlowdown,

    /// <summary>The machine's power supply has asked for it.</summary>
    PowerBrake = (int)NvmlConstants.nvmlClocksThrottleReasonHwPowerBrakeSlowdown,

    /// <summary>A display needs other clocks.</summary>
    DisplaySetting = (int)NvmlConstants.nvmlClocksEventReasonDisplayClockSetting,

    /// <summary>Something that this version does not know.</summary>
    Other = 1 << 30,
}

using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using AiOs.Runtime;

namespace AiOs.Cli;

/// <summary>What commands print of a device's sensors.</summary>
internal static class SensorOutput
{
    // What a process needs for itself before it has done anything is no remark.
    private const long MuchMemory = 1L << 30;

    /// <summary>What somebody who trains or measures should know, with what to do about it.</summary>
    public static IEnumerable<(string What, string Fix)> Remarks(DeviceSensors sensors)
    {
        if (sensors.IsLost)
        {
            yield return ("the device is lost to the driver", "see the kernel's log (dmesg) for Xid errors; restart the machine or reset the device");
        }
        else if (sensors is { NvmlVersion: not null, Problem: { } problem })
        {
            yield return (problem, "see what nvidia-smi says of the device");
        }

        if (sensors.HeldBackBy() is { } reasons)
        {
            yield return ($"the clocks are held back: {reasons}", "see to cooling, the power limit (nvidia-smi -pl) and set clocks (nvidia-smi -rgc -rac)");
        }

        if (sensors.OtherProcesses is > 0 and var others)
        {
            yield return (others == 1 ? "another process computes on it" : $"{Units.Count(others)} other processes compute on it",
                "nvidia-smi lists them; times measured beside them are not the device's");
        }

        if (sensors is { MemoryUsedBytes: { } used, MemoryTotalBytes: { } total } && used - (sensors.OwnMemoryBytes ?? 0) is > MuchMemory and var taken)
        {
            yield return ($"{Units.Bytes(taken)} of its {Units.Bytes(total)} are in use by others", "end what uses them, or choose another device");
        }

        if (sensors.UncorrectedEccErrors is > 0 and var errors)
        {
            yield return ($"{Units.Count(errors)} uncorrected errors of its memory (ECC)", "reset the device; if they come back, have it replaced");
        }
    }

    /// <summary>What is known of the sensors as a JSON object; null when nothing is.</summary>
    public static JsonObject? Document(DeviceSensors sensors)
    {
        JsonObject document = JsonSerializer.SerializeToNode(sensors, SensorsJson.Default.DeviceSensors)!.AsObject();
        if (sensors.ClockLimits is { } limits)
        {
            IEnumerable<ClockLimits> single = Enum.GetValues<ClockLimits>().Where(limit => limit != ClockLimits.None && limits.HasFlag(limit));
            document["clock_limits"] = new JsonArray([.. single.Select(limit => (JsonNode)JsonNamingPolicy.SnakeCaseLower.ConvertName(limit.ToString()))]);
        }

        return document.Count > 0 ? document : null;
    }
}

/// <summary>The sensors' JSON: what is null, or false, is left out. No reflection, safe to trim and to compile ahead of time.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(DeviceSensors))]
internal sealed partial class SensorsJson : JsonSerializerContext;

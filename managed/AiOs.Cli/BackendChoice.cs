using AiOs.Runtime;

namespace AiOs.Cli;

/// <summary>Opens the device that --backend and --threads ask for.</summary>
internal static class BackendChoice
{
    /// <summary>Opens the device.</summary>
    /// <param name="backend">Its name; null for the default.</param>
    /// <param name="threads">Worker threads; null for the provider's choice.</param>
    /// <param name="recordMemory">Whether snapshots of its memory have a history.</param>
    /// <param name="measures">Whether its speed is measured: then race detection is off, whatever the environment says.</param>
    /// <exception cref="UsageException">There is no backend of that name.</exception>
    /// <exception cref="AiOsException">It cannot be used on this machine.</exception>
    public static Device Open(string? backend, int? threads, bool recordMemory = false, bool measures = false)
    {
        string name = Check(backend);
        var options = new DeviceOptions { Threads = threads, MemoryHistory = recordMemory ? MemoryOutput.Events : 0 };
        return Device.Open(name, measures ? options with { DetectRaces = false } : options);
    }

    /// <summary>The name of a backend that exists, usable here or not.</summary>
    public static string Check(string? backend)
    {
        string name = backend ?? Options.TrainDefaults.Backend;
        return Backends.Exists(name)
            ? name
            : throw new UsageException($"--backend {name}: there is no such backend; use one of {string.Join(", ", Backends.Names)}");
    }
}

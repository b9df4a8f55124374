using AiOs.Runtime;

namespace AiOs.Cli;

/// <summary>Opens the device that --backend and --threads ask for.</summary>
internal static class BackendChoice
{
    /// <summary>Opens the device.</summary>
    /// <exception cref="UsageException">There is no backend of that name.</exception>
    /// <exception cref="AiOsException">It cannot be used on this machine.</exception>
    public static Device Open(string? backend, int? threads)
    {
        string name = Check(backend);
        return Device.Open(name, new DeviceOptions { Threads = threads });
    }

    /// <summary>The name of a backend that exists, usable here or not.</summary>
    public static string Check(string? backend)
    {
        string name = backend ?? Options.TrainDefaults.Backend;
        return Backends.Names.Contains(name)
            ? name
            : throw new UsageException($"--backend {name}: there is no such backend; use one of {string.Join(", ", Backends.Names)}");
    }
}

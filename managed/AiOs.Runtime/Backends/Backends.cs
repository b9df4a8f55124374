using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>The backends of this build. A new one is a folder beside this file and one line in the list below.</summary>
public static class Backends
{
    private static readonly Backend[] Registry =
    [
        new CpuBackend(),
    ];

    /// <summary>Names of all backends, usable here or not.</summary>
    public static IReadOnlyList<string> Names { get; } = Array.ConvertAll(Registry, backend => backend.Name);

    /// <summary>Looks for every backend on this machine. Never throws: what is wrong is in the answer.</summary>
    /// <returns>One report per backend, in order of preference.</returns>
    public static IReadOnlyList<BackendProbe> Probe() => Array.ConvertAll(Registry, backend => backend.Probe());

    /// <summary>Opens the driver of a backend.</summary>
    /// <exception cref="BackendException">There is no such backend, or it cannot be used here.</exception>
    internal static DeviceDriver Open(string name, DeviceOptions options)
    {
        foreach (Backend backend in Registry)
        {
            if (backend.Name == name)
            {
                return backend.Open(options);
            }
        }

        throw new BackendException(
            aios_status.InvalidArgument, "Device.Open", $"there is no backend '{name}'; use one of: {string.Join(", ", Names)}");
    }
}

using System.Globalization;
using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>The backends of this build. A new one is a folder beside this file and one line in the list below.</summary>
public static class Backends
{
    private static readonly Backend[] Registry =
    [
        new CpuBackend(),
        new CudaBackend("cuda", isSimulated: false),
        new CudaBackend("cuda-sim", isSimulated: true),
    ];

    /// <summary>Names of all backends, usable here or not.</summary>
    public static IReadOnlyList<string> Names { get; } = Array.ConvertAll(Registry, backend => backend.Name);

    /// <summary>Looks for every backend on this machine. Never throws: what is wrong is in the answer.</summary>
    /// <returns>One report per backend, in order of preference.</returns>
    public static IReadOnlyList<BackendProbe> Probe() => Array.ConvertAll(Registry, backend => backend.Probe());

    /// <summary>Whether there is a backend of the name, usable here or not; the name may have a device's number.</summary>
    /// <param name="name">Such as "cpu" or "cuda:1".</param>
    public static bool Exists(string name) => Split(name) is (var backend, >= 0) && Names.Contains(backend);

    /// <summary>Opens the driver of a device.</summary>
    /// <exception cref="BackendException">There is no such backend, or it cannot be used here.</exception>
    internal static DeviceDriver Open(string name, DeviceOptions options)
    {
        (string wanted, int index) = Split(name);
        foreach (Backend backend in Registry)
        {
            if (backend.Name == wanted && index >= 0)
            {
                return backend.Open(options, index);
            }
        }

        throw new BackendException(
            aios_status.InvalidArgument, "Device.Open", $"there is no backend '{name}'; use one of: {string.Join(", ", Names)}");
    }

    /// <summary>The backend and the number of its device; the number is -1 when it is none.</summary>
    private static (string Backend, int Index) Split(string name)
    {
        int colon = name.IndexOf(':', StringComparison.Ordinal);
        return colon < 0
            ? (name, 0)
            : (name[..colon], int.TryParse(name.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int index) ? index : -1);
    }
}

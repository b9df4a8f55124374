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

    /// <summary>What <see cref="DeviceInfo.Threads"/> of a backend's devices counts: "threads", or "SMs", streaming multiprocessors.</summary>
    /// <param name="name">Such as "cpu" or "cuda:1".</param>
    public static string Workers(string name) => Split(name).Backend == "cpu" ? "threads" : "SMs";

    /// <summary>Whether there is a backend of the name, usable here or not; the name may have a device's number.</summary>
    /// <param name="name">Such as "cpu" or "cuda:1".</param>
    public static bool Exists(string name) => Split(name) is (var backend, >= 0) && Names.Contains(backend);

    /// <summary>
    /// Reads the sensors of a device, open or not; see <see cref="Device.ReadSensors"/>. Never throws: what is wrong is in the
    /// answer.
    /// </summary>
    /// <param name="name">Such as "cpu" or "cuda:1".</param>
    public static DeviceSensors ReadSensors(string name) => Split(name) is (var wanted, >= 0 and var index) && Find(wanted) is { } backend
        ? backend.ReadSensors(index)
        : new DeviceSensors { Problem = $"there is no device '{name}'" };

    /// <summary>
    /// Looks for the libraries that a backend can do without, if anything here suggests that there may be some. Never throws.
    /// </summary>
    /// <param name="name">Name of the backend, such as "cuda".</param>
    public static IReadOnlyList<OptionalLibrary> OptionalLibraries(string name) => Find(name)?.OptionalLibraries() ?? [];

    /// <summary>Opens the driver of a device.</summary>
    /// <exception cref="BackendException">There is no such backend, or it cannot be used here.</exception>
    internal static DeviceDriver Open(string name, DeviceOptions options)
    {
        (string wanted, int index) = Split(name);
        return index >= 0 && Find(wanted) is { } backend
            ? backend.Open(options, index)
            : throw new BackendException(
                aios_status.InvalidArgument, "Device.Open", $"there is no backend '{name}'; use one of: {string.Join(", ", Names)}");
    }

    private static Backend? Find(string name) => Array.Find(Registry, backend => backend.Name == name);

    /// <summary>The backend and the number of its device; the number is -1 when it is none.</summary>
    private static (string Backend, int Index) Split(string name)
    {
        int colon = name.IndexOf(':', StringComparison.Ordinal);
        return colon < 0
            ? (name, 0)
            : (name[..colon], int.TryParse(name.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int index) ? index : -1);
    }
}

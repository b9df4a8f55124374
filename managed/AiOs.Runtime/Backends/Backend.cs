namespace AiOs.Runtime;

/// <summary>A kind of device: says whether it can be used here, and opens it.</summary>
internal abstract class Backend
{
    /// <summary>The name that <see cref="Device.Open"/> takes.</summary>
    public abstract string Name { get; }

    /// <summary>Looks for the provider and its devices without opening any. Never throws.</summary>
    public abstract BackendProbe Probe();

    /// <summary>Reads the sensors of a device, which need not be open. Never throws.</summary>
    /// <param name="index">Its number, from 0.</param>
    public virtual DeviceSensors ReadSensors(int index) => new();

    /// <summary>Looks for the libraries that the backend can do without. Never throws.</summary>
    public virtual IReadOnlyList<OptionalLibrary> OptionalLibraries() => [];

    /// <summary>Opens a device.</summary>
    /// <param name="options">How to open it.</param>
    /// <param name="index">Its number, from 0.</param>
    /// <exception cref="BackendException">The backend or the device cannot be used; the message says why and what to do.</exception>
    public abstract DeviceDriver Open(DeviceOptions options, int index);
}

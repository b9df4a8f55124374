namespace AiOs.Runtime;

/// <summary>A kind of device: says whether it can be used here, and opens it.</summary>
internal abstract class Backend
{
    /// <summary>The name that <see cref="Device.Open"/> takes.</summary>
    public abstract string Name { get; }

    /// <summary>Looks for the provider and its devices without opening any. Never throws.</summary>
    public abstract BackendProbe Probe();

    /// <summary>Opens the device.</summary>
    /// <exception cref="BackendException">The backend cannot be used; the message says why and what to do.</exception>
    public abstract DeviceDriver Open(DeviceOptions options);
}

using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>The processor as a device, through libaios_cpu.</summary>
internal sealed class CpuBackend : Backend
{
    private const string Library = "aios_cpu";

    public override string Name => "cpu";

    public override BackendProbe Probe()
    {
        LibraryProbe library = NativeLibraries.Probe(Library);
        if (!library.Found)
        {
            return new BackendProbe(Name, false, [], library.Tried, library.Path, library.Problem, library.Fix);
        }

        try
        {
            return new BackendProbe(Name, true, [new CpuDriver(library.Handle).Info], library.Tried, library.Path, null, null);
        }
        catch (BackendException error)
        {
            return new BackendProbe(
                Name, false, [], library.Tried, library.Path, error.Message, "unset the environment variable that is named, or give it a value that is possible here");
        }
    }

    public override DeviceDriver Open(DeviceOptions options, int index)
    {
        if (index > 0)
        {
            throw new BackendException(aios_status.InvalidArgument, "Device.Open", $"there is no device cpu:{index}; the processor is one device, cpu");
        }

        LibraryProbe library = NativeLibraries.Probe(Library);
        if (!library.Found)
        {
            throw new BackendException(
                aios_status.Unimplemented, "Device.Open", $"backend 'cpu' is not available: {library.Problem}; {library.Fix}");
        }

        var driver = new CpuDriver(library.Handle);
        if (options.Threads is { } threads)
        {
            driver.SetThreads(threads);
        }

        return driver;
    }
}

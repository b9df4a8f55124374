using System.Runtime.InteropServices;
using System.Text;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>NVML, which tells how the devices of the machine are. It is started once and never stopped.</summary>
internal sealed unsafe class NvmlLibrary
{
    private NvmlLibrary(NvmlTable? table, string? problem) => (Table, Problem) = (table, problem);

    /// <summary>Its functions, of which an old library lacks some; null when it cannot be used.</summary>
    public NvmlTable? Table { get; }

    /// <summary>Why it cannot be used, as one line; null when it can.</summary>
    public string? Problem { get; }

    /// <summary>Version of the driver; null when it does not say.</summary>
    public string? DriverVersion => Table is null
        ? null : Text(Table.nvmlSystemGetDriverVersion, (int)NvmlConstants.NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE);

    /// <summary>Version of the library; null when it does not say.</summary>
    public string? Version => Table is null
        ? null : Text(Table.nvmlSystemGetNVMLVersion, (int)NvmlConstants.NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE);

    /// <summary>Looks for the library of a backend and starts it. Never throws.</summary>
    public static NvmlLibrary Open(CudaLibraries libraries)
    {
        (nint handle, string name) = VendorLibrary.Find(libraries, NvmlTable.LibraryNames, "nvmlInit_v2");
        return handle == 0 ? new NvmlLibrary(null, $"{name}, the NVIDIA driver's library for sensors, was not found") : Start(handle, name);
    }

    /// <summary>Starts a library that is loaded. Never throws.</summary>
    internal static NvmlLibrary Start(nint handle, string name)
    {
        try
        {
            var table = new NvmlTable(handle, name);
            nvmlReturn_t result = table.nvmlInit();
            return result == nvmlReturn_t.Success ? new NvmlLibrary(table, null) : new NvmlLibrary(null, Describe(table, "nvmlInit", result));
        }
        catch (EntryPointNotFoundException error)
        {
            return new NvmlLibrary(null, error.Message);
        }
    }

    /// <summary>A failed call in the library's words, as one line.</summary>
    public static string Describe(NvmlTable table, string call, nvmlReturn_t result)
    {
        string text = Marshal.PtrToStringUTF8((nint)table.nvmlErrorString(result)) ?? result.ToString();
        return $"{call}: {string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))}";
    }

    private static string? Text(delegate* unmanaged[Cdecl]<byte*, uint, nvmlReturn_t> get, int bytes)
    {
        Span<byte> text = stackalloc byte[bytes];
        fixed (byte* first = text)
        {
            return get != null && get(first, (uint)bytes) == nvmlReturn_t.Success ? Encoding.UTF8.GetString(text[..text.IndexOf((byte)0)]) : null;
        }
    }
}

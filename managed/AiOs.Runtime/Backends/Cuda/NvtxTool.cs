using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AiOs.Runtime;

/// <summary>
/// The tool that listens to NVTX, such as Nsight Systems: a library that is named by NVTX_INJECTION64_PATH. This is the program's
/// half of how the two meet, which is otherwise code of NVIDIA's header. The tool is shown tables with a place for each function
/// of NVTX, and puts its own functions there; where it puts none, nothing is called.
/// </summary>
internal static unsafe class NvtxTool
{
    private const string Variable = "NVTX_INJECTION64_PATH";
    private const string Entry = "InitializeInjectionNvtx2";

    /// <summary>The version of NVTX whose tables these are.</summary>
    private const uint Version = 3;

    /// <summary>The tables that <see cref="ExportTable"/> is asked for, by number.</summary>
    private const uint Callbacks = 1, VersionInfo = 3;

    /// <summary>The module, and its functions, that are called here.</summary>
    private const int Core = 1, RangeStart = 5, RangeEnd = 7;

    private static readonly Lazy<bool> s_attached = new(Attach);

    /// <summary>The tables, one after the other; each place points to a pointer to a function.</summary>
    private static nint** s_places;

    private static CallbackTable* s_callbacks;
    private static VersionTable* s_version;

    /// <summary>
    /// Places of each module's table: core, CUDA, OpenCL, CUDA runtime, core 2, synchronisation. Numbers begin with 1, of modules as
    /// of places. A tool may refuse a program that lacks one, so all are there.
    /// </summary>
    private static ReadOnlySpan<int> Places => [0, 16, 9, 15, 7, 16, 7];

    /// <summary>Whether a tool listens. The first call lets it in.</summary>
    public static bool IsAttached => s_attached.Value;

    /// <summary>Begins a range, which any thread may end.</summary>
    /// <param name="name">What the tool shows.</param>
    /// <returns>The tool's number of it.</returns>
    public static ulong Begin(string name)
    {
        var function = (delegate* unmanaged[Cdecl]<byte*, ulong>)Function(RangeStart);
        if (function == null)
        {
            return 0;
        }

        nint text = Marshal.StringToCoTaskMemUTF8(name);
        ulong range = function((byte*)text);
        Marshal.FreeCoTaskMem(text);
        return range;
    }

    /// <summary>Ends a range.</summary>
    public static void End(ulong range)
    {
        var function = (delegate* unmanaged[Cdecl]<ulong, void>)Function(RangeEnd);
        if (function != null)
        {
            function(range);
        }
    }

    /// <summary>As NVIDIA's header does, this says nothing when there is no tool or it will not listen.</summary>
    private static bool Attach()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } path || !NativeLibrary.TryLoad(path, out nint library)
            || !NativeLibrary.TryGetExport(library, Entry, out nint entry))
        {
            return false;
        }

        Prepare();
        return ((delegate* unmanaged[Cdecl]<delegate* unmanaged[Cdecl]<uint, void*>, int>)entry)(&ExportTable) != 0;
    }

    /// <summary>Makes the tables, which the tool may keep: they stay for the life of the process.</summary>
    private static void Prepare()
    {
        int count = First(Places.Length);
        var functions = (nint*)NativeMemory.AllocZeroed((nuint)count, (nuint)sizeof(nint));
        s_places = (nint**)NativeMemory.AllocZeroed((nuint)count, (nuint)sizeof(nint*));
        for (int module = 1; module < Places.Length; module++)
        {
            for (int place = 1; place < Places[module]; place++)
            {
                s_places[First(module) + place] = &functions[First(module) + place];
            }
        }

        s_callbacks = (CallbackTable*)NativeMemory.Alloc((nuint)sizeof(CallbackTable));
        *s_callbacks = new CallbackTable { Bytes = (nuint)sizeof(CallbackTable), GetModule = &ModuleTable };
        s_version = (VersionTable*)NativeMemory.Alloc((nuint)sizeof(VersionTable));
        *s_version = new VersionTable { Bytes = (nuint)sizeof(VersionTable), Version = Version, SetToolVersion = &SetToolVersion };
    }

    /// <summary>Index of a module's table; each has a null behind its end.</summary>
    private static int First(int module)
    {
        int first = 0;
        for (int before = 1; before < module; before++)
        {
            first += Places[before] + 1;
        }

        return first;
    }

    private static nint Function(int place) => *s_places[First(Core) + place];

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* ExportTable(uint number) => number switch
    {
        Callbacks => s_callbacks,
        VersionInfo => s_version,
        _ => null,
    };

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int ModuleTable(int module, nint*** table, uint* size)
    {
        if (module < 1 || module >= Places.Length)
        {
            return 0;
        }

        if (size != null)
        {
            *size = (uint)Places[module];
        }

        if (table != null)
        {
            *table = s_places + First(module);
        }

        return 1;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void SetToolVersion(uint version)
    {
        // The tool has to say it; there is no version yet that would need anything else.
    }

    private struct CallbackTable
    {
        public nuint Bytes;
        public delegate* unmanaged[Cdecl]<int, nint***, uint*, int> GetModule;
    }

    private struct VersionTable
    {
        public nuint Bytes;
        public uint Version;
        public delegate* unmanaged[Cdecl]<uint, void> SetToolVersion;
    }
}

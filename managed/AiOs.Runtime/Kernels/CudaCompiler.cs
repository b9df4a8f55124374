using System.Runtime.InteropServices;
using System.Text;
using AiOs.Interop;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>Kernels of a program compiled at run time: NVRTC, or what the simulator has in its place.</summary>
internal sealed unsafe class CudaCompiler
{
    private static readonly Dictionary<nint, CudaCompiler> s_compilers = [];

    private readonly NvrtcTable _nvrtc;

    private CudaCompiler(NvrtcTable nvrtc) => _nvrtc = nvrtc;

    /// <summary>The compiler for a context's device.</summary>
    /// <exception cref="BackendException">There is none on this machine.</exception>
    public static CudaCompiler Of(CudaContext context)
    {
        lock (s_compilers)
        {
            nint key = context.Libraries.Kernels;
            if (!s_compilers.TryGetValue(key, out CudaCompiler? compiler))
            {
                compiler = new CudaCompiler(new NvrtcTable(Find(context.Libraries)));
                s_compilers.Add(key, compiler);
            }

            return compiler;
        }
    }

    /// <summary>Compiles a source to an image that the driver can load.</summary>
    /// <param name="source">CUDA C++.</param>
    /// <param name="name">The kernel, as the source calls it.</param>
    /// <param name="capability">Compute capability of the device, times ten.</param>
    /// <param name="options">Further options of the compiler.</param>
    /// <param name="lowered">The kernel's name in the image.</param>
    /// <exception cref="CudaCompilationException">The source does not compile.</exception>
    public byte[] Compile(string source, string name, int capability, IEnumerable<string> options, out byte[] lowered)
    {
        nvrtcProgram program = default;
        fixed (byte* text = Zero(source), file = Zero($"{name}.cu"), kernel = Zero(name))
        {
            Require(_nvrtc.nvrtcCreateProgram(&program, text, file, 0, null, null), name);
            try
            {
                Require(_nvrtc.nvrtcAddNameExpression(program, kernel), name);
                bool native = Supports(capability);
                string target = native ? $"--gpu-architecture=sm_{capability}" : $"--gpu-architecture=compute_{capability}";
                nvrtcResult result = Run(program, [target, .. options]);
                if (result != nvrtcResult.Success)
                {
                    throw new CudaCompilationException(name, Log(program) is { Length: > 0 } log ? log : ErrorText(result));
                }

                byte* found = null;
                result = _nvrtc.nvrtcGetLoweredName(program, kernel, &found);
                if (result != nvrtcResult.Success)
                {
                    throw new CudaCompilationException(name, $"error: the source has no kernel '{name}'");
                }

                lowered = Zero(Marshal.PtrToStringUTF8((nint)found)!);
                return native ? Image(program, _nvrtc.nvrtcGetCUBINSize, _nvrtc.nvrtcGetCUBIN, name) : Image(program, _nvrtc.nvrtcGetPTXSize, _nvrtc.nvrtcGetPTX, name);
            }
            finally
            {
                _ = _nvrtc.nvrtcDestroyProgram(&program);
            }
        }
    }

    private static nint Find(CudaLibraries libraries)
    {
        (nint handle, _) = VendorLibrary.Find(libraries, NvrtcTable.LibraryNames, "nvrtcCreateProgram");
        return handle != 0
            ? handle
            : throw new BackendException(
                aios_status.Unimplemented, "CudaKernel.Compile",
                $"the run-time compiler was not found (tried {string.Join(", ", NvrtcTable.LibraryNames)}); {VendorLibrary.ToolkitFix("nvrtc")}");
    }

    private static byte[] Zero(string text) => Encoding.UTF8.GetBytes(text + '\0');

    private bool Supports(int capability)
    {
        int count = 0;
        if (_nvrtc.nvrtcGetNumSupportedArchs(&count) != nvrtcResult.Success)
        {
            return false;
        }

        int[] known = new int[count];
        fixed (int* first = known)
        {
            return _nvrtc.nvrtcGetSupportedArchs(first) == nvrtcResult.Success && known.Contains(capability);
        }
    }

    private nvrtcResult Run(nvrtcProgram program, string[] options)
    {
        GCHandle[] pins = [.. options.Select(option => GCHandle.Alloc(Zero(option), GCHandleType.Pinned))];
        byte** pointers = stackalloc byte*[options.Length];
        for (int i = 0; i < options.Length; i++)
        {
            pointers[i] = (byte*)pins[i].AddrOfPinnedObject();
        }

        nvrtcResult result = _nvrtc.nvrtcCompileProgram(program, options.Length, pointers);
        Array.ForEach(pins, pin => pin.Free());
        return result;
    }

    private string Log(nvrtcProgram program)
    {
        nuint bytes = 0;
        if (_nvrtc.nvrtcGetProgramLogSize(program, &bytes) != nvrtcResult.Success || bytes <= 1)
        {
            return "";
        }

        byte[] log = new byte[(int)bytes];
        fixed (byte* first = log)
        {
            return _nvrtc.nvrtcGetProgramLog(program, first) == nvrtcResult.Success ? Encoding.UTF8.GetString(log, 0, log.Length - 1).Trim() : "";
        }
    }

    private byte[] Image(
        nvrtcProgram program, delegate* unmanaged[Cdecl]<nvrtcProgram, nuint*, nvrtcResult> measure,
        delegate* unmanaged[Cdecl]<nvrtcProgram, byte*, nvrtcResult> get, string name)
    {
        nuint bytes = 0;
        Require(measure(program, &bytes), name);
        byte[] image = new byte[(int)bytes];
        fixed (byte* first = image)
        {
            Require(get(program, first), name);
        }

        return image;
    }

    private void Require(nvrtcResult result, string name)
    {
        if (result != nvrtcResult.Success)
        {
            throw new CudaCompilationException(name, ErrorText(result));
        }
    }

    private string ErrorText(nvrtcResult result) => Marshal.PtrToStringUTF8((nint)_nvrtc.nvrtcGetErrorString(result)) ?? result.ToString();
}

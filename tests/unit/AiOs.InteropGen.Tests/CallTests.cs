using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using AiOs.InteropGen.Tests.MiniCl;
using AiOs.InteropGen.Tests.MiniCuda;
using AiOs.InteropGen.Tests.MiniNccl;
using AiOs.InteropGen.Tests.MiniNvml;

namespace AiOs.InteropGen.Tests;

/// <summary>Calls C through the generated types: what only a matching calling convention gets right.</summary>
public sealed unsafe class CallTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly nint _library;

    public CallTests()
    {
        string source = Path.Combine(TestEnvironment.ProjectRoot, "Headers", "mini_library.c");
        _library = Build("libmini.so", source, _ => true);
    }

    public void Dispose()
    {
        NativeLibrary.Free(_library);
        _folder.Dispose();
    }

    [Fact]
    public void A_128_byte_struct_goes_by_value()
    {
        var nccl = new NcclTable(_library);
        ncclUniqueId id = default;
        Assert.Equal(ncclResult_t.ncclSuccess, nccl.ncclGetUniqueId(&id));
        Assert.Equal(127, id.@internal[127]);
        ncclComm_t communicator;
        Assert.Equal(ncclResult_t.ncclSuccess, nccl.ncclCommInitRank(&communicator, 4, id, 3));
        Assert.Equal(new ncclComm_t(403), communicator);

        CUdeviceptr pointer;
        CUipcMemHandle handle = default;
        handle.reserved[63] = 9;
        Assert.Equal(CUresult.Success, new CudaTable(_library).cuIpcOpenMemHandle(&pointer, handle, 30));
        Assert.Equal(new CUdeviceptr(39), pointer);

        id.@internal[64] = 0;
        Assert.Equal(ncclResult_t.ncclUnhandledCudaError, nccl.ncclCommInitRank(&communicator, 4, id, 3));
    }

    [Fact]
    public void Unions_nested_arrays_and_over_aligned_structs_are_read_where_C_wrote_them()
    {
        CUresource resource = default;
        CUtensorMap map = default;
        map.opaque[15] = 77;
        Assert.Equal(CUresult.Success, new CudaTable(_library).cuResourceCreate(&resource, &map));
        Assert.Equal(77, resource.kind);
        Assert.Equal(0x1122334455667788ul, resource.linear.Value);
        Assert.Equal(0x1122334455667788L, (nint)resource.array);
        Assert.Equal(4.5, resource.matrix[1][2]);
        Assert.Equal((nint)(&resource), resource.extra[3]);

        uint count;
        nvmlSample_t sample;
        Assert.Equal(nvmlReturn_t.NVML_SUCCESS, new NvmlTable(_library).nvmlDeviceGetSamples(default, &count, &sample, nvmlMask_t.NVML_MASK_HIGH));
        Assert.Equal((1u, 42ul, BitConverter.DoubleToUInt64Bits(1.0)), (count, sample.timeStamp, sample.sampleValue.ullVal));
    }

    [Fact]
    public void Callbacks_are_called_with_handles_and_texts()
    {
        (CUstream Stream, CUresult Status) seen = default;
        Assert.Equal(CUresult.Success, new CudaTable(_library).cuStreamAddCallback(Cuda.CU_STREAM_LEGACY, &OnStream, &seen, 1));
        Assert.Equal((Cuda.CU_STREAM_LEGACY, CUresult.ErrorInvalidValue), seen);

        nint property = -30;
        int error;
        int length = 0;
        cl_context context = new ClTable(_library).clCreateContext(&property, 5, null, &OnNotify, &length, &error);
        Assert.Equal((-30, 5 + "from the library".Length, (nint)(&length)), (error, length, context.Value));
    }

    [Fact]
    public void A_call_without_transition_and_a_text_come_back()
    {
        int version;
        Assert.Equal(CUresult.Success, new CudaTable(_library).cuDriverGetVersion(&version));
        Assert.Equal(Cuda.CUDA_VERSION, version);
        byte* text = new NcclTable(_library).ncclGetErrorString(ncclResult_t.ncclSuccess);
        Assert.Equal("no error", Encoding.ASCII.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text)));
    }

    [Fact]
    public void A_missing_function_is_an_error_that_names_it_and_the_library()
    {
        nint library = Build("libno-init.so", null, name => name != "nvmlInit");
        var error = Assert.Throws<EntryPointNotFoundException>(() => new NvmlTable(library, "/somewhere/libmini.so"));
        Assert.StartsWith("/somewhere/libmini.so does not export nvmlInit_v2", error.Message, StringComparison.Ordinal);
        NativeLibrary.Free(library);
    }

    [Fact]
    public void An_optional_function_may_be_missing()
    {
        nint library = Build("libpartial.so", null, name => name is not ("cuGetProcAddress" or "cuMemAlloc"));
        var table = new CudaTable(library);
        Assert.False(table.HasCuGetProcAddress);
        Assert.False(table.HasCuMemAlloc);
        Assert.True(table.cuMemAlloc == null);
        Assert.Equal(CUresult.ErrorUnknown, table.cuInit(0));
        Assert.True(new CudaTable(_library).HasCuMemAlloc);
        NativeLibrary.Free(library);
    }

    // A library with the functions of a source, and functions that return 999 for the other selected ones of the tables.
    private nint Build(string name, string? source, Func<string, bool> selected)
    {
        IEnumerable<string> stubs = new[] { typeof(CudaTable), typeof(NcclTable), typeof(NvmlTable), typeof(ClTable) }
            .SelectMany(table => table.GetFields()).Select(field => field.Name).Where(selected).Select(field => field switch
            {
                "cuStreamDestroy" or "cuMemAlloc" or "nvmlInit" => field + "_v2",
                "nvmlDeviceGetPciInfo" => field + "_v3",
                _ => field,
            });
        string path = Path.Combine(_folder.Path, name);
        string stubFile = _folder.Write(name + ".c", string.Concat(stubs.Select(stub => $"__attribute__((weak)) int {stub}(void) {{ return 999; }}\n")));
        TestEnvironment.CompileC(["-std=c11", "-w", "-shared", "-fPIC", "-o", path, stubFile, .. source is null ? (string[])[] : [source]]);
        return NativeLibrary.Load(path);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnStream(CUstream stream, CUresult status, void* data) => *((CUstream, CUresult)*)data = (stream, status);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnNotify(byte* text, void* information, nuint bytes, void* data) =>
        *(int*)data = (int)bytes + Encoding.ASCII.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text)).Length;
}

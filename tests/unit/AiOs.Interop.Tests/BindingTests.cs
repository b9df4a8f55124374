using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using AiOs.Interop.Cuda;

namespace AiOs.Interop.Tests;

/// <summary>The generated tables against the headers' text and against the library that was built.</summary>
public partial class BindingTests
{
    private const string CudaBuild = "eng/build-native.sh cuda";

    private static readonly string[] s_headers = ["aios.h", "aios_kernels.h", "aios_cpu.h", "aios_cuda.h"];

    [Theory]
    [InlineData("aios.h", typeof(AiosTable))]
    [InlineData("aios_kernels.h", typeof(KernelTable))]
    [InlineData("aios_cpu.h", typeof(CpuTable))]
    [InlineData("aios_cuda.h", typeof(CudaProviderTable))]
    public void The_table_has_every_function_of_the_header(string header, Type table)
    {
        string text = File.ReadAllText(Path.Combine(TestEnvironment.Headers, header));
        IEnumerable<string> declared = Prototype().Matches(text).Select(match => match.Groups[1].Value);
        Assert.Equal(declared, table.GetFields().Select(field => field.Name));
    }

    [Fact]
    public void The_header_hash_is_that_of_the_files()
    {
        byte[] bytes = [.. s_headers.SelectMany(name => File.ReadAllBytes(Path.Combine(TestEnvironment.Headers, name)))];
        Assert.Equal(Providers.HeaderHash, Convert.ToHexStringLower(SHA256.HashData(bytes)));
    }

    [Fact]
    public void The_library_exports_exactly_the_functions_of_the_headers()
    {
        LibraryProbe probe = NativeLibraries.Probe(Providers.Cpu);
        Assert.True(probe.Found, probe.Problem);
        AssertExports(probe, "eng/build-native.sh release libraries", typeof(AiosTable), typeof(KernelTable), typeof(CpuTable));
    }

    // A driver is needed for a call, not for loading.
    [Fact]
    public void The_CUDA_library_loads_and_exports_exactly_the_functions_of_the_headers()
    {
        LibraryProbe probe = NativeLibraries.Probe(Providers.Cuda);
        Assert.SkipWhen(
            !probe.Found && probe.Tried.All(t => t.Outcome == "no such file" || !Path.IsPathRooted(t.Path)),
            $"libaios_cuda.so was not built (eng/cuda-toolkit.sh, {CudaBuild})");
        Assert.True(probe.Found, $"{probe.Problem}; build it again with: {CudaBuild}");
        AssertExports(probe, CudaBuild, typeof(AiosTable), typeof(KernelTable), typeof(CudaProviderTable));
        Assert.DoesNotContain("libcuda", TestEnvironment.Run("readelf", "binutils", "-d", probe.Path!), StringComparison.Ordinal);
    }

    [Fact]
    public void The_simulator_stands_in_for_all_libraries()
    {
        LibraryProbe probe = NativeLibraries.Probe(Providers.CudaSim);
        Assert.True(probe.Found, probe.Problem);
        _ = new KernelTable(probe.Handle, probe.Path!);
        _ = new CudaProviderTable(probe.Handle, probe.Path!);
        _ = new CudaTable(probe.Handle, probe.Path!);
        _ = new NvrtcTable(probe.Handle, probe.Path!);
        _ = new NvmlTable(probe.Handle, probe.Path!);
        string[] exported = [.. Exported(probe)];
        Assert.All(exported, name => Assert.Matches("^(aios_|cu|nvrtc|nvml)", name));
        Assert.Equal(typeof(NvmlTable).GetFields().Length, exported.Count(name => name.StartsWith("nvml", StringComparison.Ordinal)));
    }

    // A library that was built before the headers changed may still load.
    private static void AssertExports(LibraryProbe probe, string build, params Type[] tables)
    {
        string[] declared = [.. tables.SelectMany(table => table.GetFields()).Select(field => field.Name)], exported = [.. Exported(probe)];
        string[] missing = [.. declared.Except(exported).Order(StringComparer.Ordinal)], other = [.. exported.Except(declared)];
        Assert.True(
            missing.Length + other.Length == 0,
            $"{probe.Path} lacks [{string.Join(", ", missing)}] of the headers' functions and exports [{string.Join(", ", other)}] besides; "
            + $"build it again with: {build}");
    }

    private static IEnumerable<string> Exported(LibraryProbe probe) =>
        TestEnvironment.Run("nm", "binutils", "-D", "--defined-only", probe.Path!).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' ')[^1].Split('@')[0]).Order(StringComparer.Ordinal);

    [Fact]
    public unsafe void The_library_can_be_called()
    {
        LibraryProbe probe = NativeLibraries.Probe(Providers.Cpu);
        Assert.True(probe.Found, probe.Problem);
        var table = new AiosTable(probe.Handle, probe.Path!);
        var cpu = new CpuTable(probe.Handle, probe.Path!);
        _ = new KernelTable(probe.Handle, probe.Path!);
        Assert.Equal("AIOS_STATUS_OUT_OF_MEMORY", Marshal.PtrToStringUTF8((nint)table.aios_status_name(aios_status.OutOfMemory)));

        aios_cpu_info info;
        Assert.Equal(aios_status.Ok, cpu.aios_cpu_get_info(&info));
        string isa = Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated((byte*)&info.isa));
        Assert.Contains(isa, (string[])["avx512bf16", "avx512vnni", "avx512", "avx2vnni", "avx2", "neon", "portable"]);

        aios_stream stream;
        Assert.Equal(aios_status.Ok, cpu.aios_cpu_stream_create(&stream, AiosConstants.AIOS_CPU_PRIORITY_NORMAL));
        Assert.NotEqual(default, stream);
        int* memory;
        Assert.Equal(aios_status.Ok, cpu.aios_cpu_alloc((void**)&memory, 64));
        Assert.Equal(aios_status.Ok, cpu.aios_cpu_memset_async(stream, memory, 1, 64));
        Assert.Equal(aios_status.Ok, cpu.aios_cpu_stream_synchronize(stream));
        Assert.Equal(0x01010101, memory[15]);
        Assert.Equal(aios_status.Ok, cpu.aios_cpu_free(memory, 64));
        Assert.Equal(aios_status.Ok, cpu.aios_cpu_stream_destroy(stream));
        Assert.Equal(aios_status.InvalidArgument, cpu.aios_cpu_set_threads(0));
        Assert.NotEmpty(Marshal.PtrToStringUTF8((nint)table.aios_last_error())!);
    }

    [GeneratedRegex(@"^AIOS_API [^;(]*?(\w+)\(", RegexOptions.Multiline)]
    private static partial Regex Prototype();
}

using System.Globalization;
using System.Text;
using AiOs.Interop.Cuda.Layouts;
using AiOs.Interop.Layouts;

namespace AiOs.Interop.Tests;

/// <summary>Sizes and offsets of the generated structs against clang's numbers and the machine's C compiler.</summary>
public class LayoutTests
{
    private static (string Item, long Expected, long Actual)[] Own() =>
        [.. AiosTableLayout.Measure(), .. KernelTableLayout.Measure(), .. CpuTableLayout.Measure(), .. DLPackTableLayout.Measure()];

    // What the simulator implements: its headers are generated like the C#.
    private static (string Item, long Expected, long Actual)[] Simulated() =>
        [.. CudaTableLayout.Measure(), .. NvrtcTableLayout.Measure(), .. NvmlTableLayout.Measure(), .. CuptiTableLayout.Measure()];

    // What only the vendor's libraries implement.
    private static (string Item, long Expected, long Actual)[] OfVendor() => NvJitLinkTableLayout.Measure();

    [Fact]
    public void CSharp_lays_out_what_clang_does()
    {
        (string Item, long Expected, long Actual)[] all = [.. Own(), .. Simulated(), .. OfVendor()];
        Assert.All(all, check => Assert.True(check.Expected == check.Actual, $"{check.Item}: {check.Expected} in C, {check.Actual} in C#"));
        Assert.Contains(("sizeof(aios_elementwise_desc)", 272L, 272L), all);
        Assert.Contains(("offsetof(aios_cpu_info, isa)", 128L, 128L), all);
        Assert.Contains(("sizeof(CUtensorMap)", 128L, 128L), all);
        Assert.Contains(("offsetof(CUlaunchConfig, attrs)", 40L, 40L), all);
        Assert.Contains(("offsetof(CUpti_ActivityKernel9, start)", 16L, 16L), all);
    }

    [Fact]
    public void The_C_compiler_agrees() => Ask(Own(), TestEnvironment.Headers, "aios_cpu.h", "aios_kernels.h", "aios_dlpack.h");

    [Fact]
    public void The_C_compiler_agrees_on_what_the_simulator_implements() =>
        Ask(Simulated(), Path.Combine(TestEnvironment.RepositoryRoot, "native", "simulator", "generated"), "cuda.h", "nvrtc.h", "nvml.h", "cupti.h");

    [Fact]
    public void The_C_compiler_agrees_on_the_headers_of_the_vendor()
    {
        string cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } folder
            ? folder : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        string? include = Directory.Exists(cache)
            ? Directory.GetDirectories(cache, "aios/cuda-12.4*").Select(path => Path.Combine(path, "include")).FirstOrDefault(Directory.Exists) : null;
        Assert.SkipWhen(include is null, "the headers of CUDA 12.4 are not there (eng/cuda-toolkit.sh --headers)");
        Ask([.. Simulated(), .. OfVendor()], include, "cuda.h", "nvrtc.h", "nvml.h", "nvJitLink.h", "cupti_activity.h");
    }

    private static void Ask((string Item, long Expected, long Actual)[] all, string include, params string[] headers)
    {
        var source = new StringBuilder("#include <stddef.h>\n#include <stdio.h>\n");
        source.AppendJoin("", headers.Select(header => $"#include \"{header}\"\n")).Append("int main(void) {\n");
        foreach ((string item, _, _) in all)
        {
            source.Append(CultureInfo.InvariantCulture, $"  printf(\"%lld\\n\", (long long)({item}));\n");
        }

        string folder = Directory.CreateTempSubdirectory("aios-interop-").FullName;
        try
        {
            string program = Path.Combine(folder, "layout");
            File.WriteAllText(program + ".c", source.Append("}\n").ToString());
            TestEnvironment.Run("cc", "gcc", "-std=c11", "-I", include, "-o", program, program + ".c");
            Assert.Equal(
                all.Select(check => $"{check.Actual}"),
                TestEnvironment.Run(program, "gcc").Split('\n', StringSplitOptions.RemoveEmptyEntries));
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }

    [Fact]
    public void Fixed_arrays_are_spans()
    {
        var desc = new aios_elementwise_desc { rank = 2 };
        Span<long> shape = desc.shape;
        shape[1] = 7;
        Assert.Equal((8, 7L), (shape.Length, desc.shape[1]));
    }
}

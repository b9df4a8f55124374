using System.Globalization;
using System.Reflection;
using System.Text;
using AiOs.InteropGen.Tests.MiniCl.Layouts;
using AiOs.InteropGen.Tests.MiniCuda.Layouts;
using AiOs.InteropGen.Tests.MiniCupti.Layouts;
using AiOs.InteropGen.Tests.MiniNccl.Layouts;
using AiOs.InteropGen.Tests.MiniNvml.Layouts;

namespace AiOs.InteropGen.Tests;

/// <summary>Sizes, offsets and constants of the generated C# against clang's numbers and the machine's C compiler.</summary>
public class LayoutTests
{
    private static (string Item, long Expected, long Actual)[] All() =>
        [.. CudaTableLayout.Measure(), .. CuptiTableLayout.Measure(), .. NcclTableLayout.Measure(), .. NvmlTableLayout.Measure(), .. ClTableLayout.Measure()];

    [Fact]
    public void CSharp_lays_out_what_clang_does()
    {
        (string Item, long Expected, long Actual)[] all = All();
        Assert.All(all, check => Assert.True(check.Expected == check.Actual, $"{check.Item}: {check.Expected} in C, {check.Actual} in C#"));
        Assert.Contains(("sizeof(ncclUniqueId)", 128L, 128L), all);
        Assert.Contains(("offsetof(CUmapped, map)", 64L, 64L), all);
        Assert.Contains(("sizeof(((CUresource *)0)->matrix)", 48L, 48L), all);
    }

    [Fact]
    public void The_C_compiler_agrees()
    {
        (string Item, long Expected, long Actual)[] all = All();
        Assert.Equal(all.Select(check => $"{check.Actual}"), Ask(all.Select(check => check.Item)));
    }

    // Whoever implements an API includes what is generated, and its users the original: to the compiler it is the same.
    [Fact]
    public void The_generated_C_header_says_what_the_original_does()
    {
        var expressions = new List<string>(CudaTableLayout.Measure().Select(check => check.Item));
        expressions.AddRange(typeof(MiniCuda.Cuda).GetFields().Where(f => f.GetRawConstantValue() is int or uint or ulong).Select(f => f.Name));
        expressions.AddRange(["CU_STREAM_PER_THREAD", "CUDA_ERROR_OUT_OF_MEMORY", "_Alignof(CUtensorMap)", "_Alignof(CUmapped)"]);
        expressions.AddRange(
        [
            "_Generic(&cuMemAlloc_v2, CUresult (*)(CUdeviceptr *, size_t): 1)",
            "_Generic(&cuStreamAddCallback, CUresult (*)(CUstream, void (*)(CUstream, CUresult, void *), void *, unsigned): 2)",
            "_Generic(&cuIpcOpenMemHandle, CUresult (*)(CUdeviceptr *, CUipcMemHandle, unsigned): 3)",
        ]);
        expressions.AddRange(CuptiTableLayout.Measure().Select(check => check.Item));
        expressions.AddRange(
        [
            "_Alignof(CUpti_Activity)", "_Alignof(CUpti_ActivityKernel)", "sizeof(((CUpti_ActivityKernel *)0)->cacheConfig)",
            "((CUpti_ActivityKernel){.cacheConfig.config = {.executed = 3}}).cacheConfig.both",
            "_Generic(&cuptiRegister, CUresult (*)(void (*)(uint8_t **, size_t *)): 4)",
        ]);
        Assert.Equal(Ask(expressions, "Headers", "mini_cupti.h"), Ask(expressions, "Generated", "mini_cupti.h"));
    }

    [Theory]
    [InlineData(typeof(MiniCuda.Cuda))]
    [InlineData(typeof(MiniNccl.Nccl))]
    [InlineData(typeof(MiniNvml.Nvml))]
    [InlineData(typeof(MiniCl.Cl))]
    public void The_C_compiler_gives_the_integer_constants(Type type)
    {
        FieldInfo[] constants = [.. type.GetFields().Where(f => f.IsLiteral && f.GetRawConstantValue() is int or uint or long or ulong)];
        Assert.NotEmpty(constants);
        IEnumerable<string> values = constants.Select(f => f.GetRawConstantValue() is ulong value
            ? unchecked((long)value).ToString(CultureInfo.InvariantCulture)
            : Convert.ToInt64(f.GetRawConstantValue(), CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture));
        Assert.Equal(values, Ask(constants.Select(f => f.Name)));
    }

    [Fact]
    public void Constants_of_other_types_have_their_values()
    {
        Assert.Equal(0.5f, MiniCuda.Cuda.CU_HALF);
        Assert.Equal(1.0 / 3, MiniCuda.Cuda.CU_THIRD);
        Assert.Equal("mini \"cuda\"", MiniCuda.Cuda.CU_VENDOR);
        Assert.Equal("12", MiniNvml.Nvml.NVML_API_VERSION_STR);
        Assert.Equal(new MiniCuda.CUstream(2), MiniCuda.Cuda.CU_STREAM_PER_THREAD);
        Assert.Equal(new MiniCuda.CUdeviceptr(0), MiniCuda.Cuda.CU_DEVICE_NULL);
        Assert.Equal(2, MiniCuda.Cuda.CU_LAUNCH_PARAM_BUFFER_SIZE);
        Assert.Equal(int.MinValue, MiniNccl.Nccl.NCCL_CONFIG_UNDEF_INT);
        Assert.Equal(22100, MiniNccl.Nccl.NCCL_VERSION_CODE);
    }

    [Fact]
    public void Enums_are_grouped_named_and_typed()
    {
        Assert.Equal(2, (int)MiniCuda.CUresult.ErrorOutOfMemory);
        Assert.Equal(1, (int)MiniCuda.CUstream_flags.CU_STREAM_NON_BLOCKING);
        Assert.Equal(typeof(uint), Enum.GetUnderlyingType(typeof(MiniNvml.nvmlMask_t)));
        Assert.Equal(0x80000000u, (uint)MiniNvml.nvmlMask_t.NVML_MASK_HIGH);
        Assert.Equal(MiniNccl.ncclDataType_t.ncclInt8, MiniNccl.ncclDataType_t.ncclChar);
        Assert.Equal(0x7fffffff, (int)MiniNccl.ncclRedOp_t.ncclMaxRedOp);
        Assert.Equal(typeof(ulong), Enum.GetUnderlyingType(typeof(MiniCl.cl_device_type)));
        Assert.Equal(0xFFFFFFFFul, (ulong)MiniCl.cl_device_type.All);
        Assert.Equal(0x1000u, (uint)MiniCl.cl_device_info.Type);
        Assert.Equal(-1, MiniCl.Cl.CL_DEVICE_NOT_FOUND);
        Assert.NotEmpty(typeof(MiniCl.cl_device_type).GetCustomAttributes<FlagsAttribute>());
    }

    private static string[] Ask(IEnumerable<string> expressions) => Ask(expressions, "Headers", "mini_cl.h", "mini_cupti.h", "mini_nccl.h", "mini_nvml.h");

    private static string[] Ask(IEnumerable<string> expressions, string folder, params string[] headers)
    {
        var source = new StringBuilder("#include <stddef.h>\n#include <stdio.h>\n");
        source.AppendJoin("", headers.Select(header => $"#include \"{header}\"\n")).Append("int main(void) {\n");
        foreach (string expression in expressions)
        {
            source.Append(CultureInfo.InvariantCulture, $"  printf(\"%lld\\n\", (long long)({expression}));\n");
        }

        return TestEnvironment.RunC(source.Append("}\n").ToString(), folder);
    }
}

using System.Globalization;
using System.Text;
using AiOs.Interop.Layouts;

namespace AiOs.Interop.Tests;

/// <summary>Sizes and offsets of the generated structs against clang's numbers and the machine's C compiler.</summary>
public class LayoutTests
{
    private static (string Item, long Expected, long Actual)[] All() =>
        [.. AiosTableLayout.Measure(), .. KernelTableLayout.Measure(), .. CpuTableLayout.Measure(), .. DLPackTableLayout.Measure()];

    [Fact]
    public void CSharp_lays_out_what_clang_does()
    {
        (string Item, long Expected, long Actual)[] all = All();
        Assert.All(all, check => Assert.True(check.Expected == check.Actual, $"{check.Item}: {check.Expected} in C, {check.Actual} in C#"));
        Assert.Contains(("sizeof(aios_elementwise_desc)", 272L, 272L), all);
        Assert.Contains(("offsetof(aios_cpu_info, isa)", 128L, 128L), all);
    }

    [Fact]
    public void The_C_compiler_agrees()
    {
        (string Item, long Expected, long Actual)[] all = All();
        var source = new StringBuilder("#include <stddef.h>\n#include <stdio.h>\n#include \"aios_cpu.h\"\n#include \"aios_kernels.h\"\n#include \"aios_dlpack.h\"\nint main(void) {\n");
        foreach ((string item, _, _) in all)
        {
            source.Append(CultureInfo.InvariantCulture, $"  printf(\"%lld\\n\", (long long)({item}));\n");
        }

        string folder = Directory.CreateTempSubdirectory("aios-interop-").FullName;
        try
        {
            string program = Path.Combine(folder, "layout");
            File.WriteAllText(program + ".c", source.Append("}\n").ToString());
            TestEnvironment.Run("cc", "gcc", "-std=c11", "-I", TestEnvironment.Headers, "-o", program, program + ".c");
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

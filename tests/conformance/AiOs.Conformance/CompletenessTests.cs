using AiOs.Conformance.Harness;
using AiOs.Interop;

namespace AiOs.Conformance;

/// <summary>A new op without cases fails here.</summary>
public sealed class CompletenessTests
{
    [Fact]
    public void Every_op_has_cases()
    {
        // What returns a number instead of a status is a question about sizes. aios_probe computes nothing that an oracle could
        // know; AiOs.Bench.Tests look at what it measures.
        string[] ops = [.. typeof(KernelTable).GetFields()
            .Where(field => field.Name.StartsWith("aios_", StringComparison.Ordinal) && field.FieldType.GetFunctionPointerReturnType() == typeof(aios_status)
                && field.Name != nameof(KernelTable.aios_probe))
            .Select(field => field.Name).Order(StringComparer.Ordinal)];
        string[] covered = [.. CaseList.All.SelectMany(list => list.Ops).Order(StringComparer.Ordinal)];
        Assert.NotEmpty(ops);
        Assert.Equal(ops, covered);
    }

    [Fact]
    public void Every_op_has_a_group_of_errors_and_one_of_each_type()
    {
        foreach (CaseList list in CaseList.All)
        {
            foreach (string op in list.Ops)
            {
                string[] groups = [.. list.Groups.Where(group => group.Op == op).Select(group => group.Name)];
                Assert.Contains("errors", groups);
                Assert.Contains(groups, name => name.Contains(nameof(aios_dtype.F32), StringComparison.Ordinal));
                Assert.Contains(groups, name => name.Contains(nameof(aios_dtype.Bf16), StringComparison.Ordinal));
                Assert.Equal(groups.Length, groups.Distinct().Count());
            }
        }
    }

    [Fact]
    public void Every_list_is_run_by_a_theory()
    {
        Type[] run = [.. typeof(CompletenessTests).Assembly.GetTypes()
            .Where(type => type.BaseType is { IsGenericType: true } parent && parent.GetGenericTypeDefinition() == typeof(ConformanceTests<>))
            .Select(type => type.BaseType!.GetGenericArguments()[0])];
        Assert.Equal(CaseList.All.Select(list => list.GetType().Name), run.Select(type => type.Name).Order(StringComparer.Ordinal));
    }
}

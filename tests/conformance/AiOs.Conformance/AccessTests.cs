using AiOs.Conformance.Harness;
using AiOs.Interop;
using AiOs.Runtime;

namespace AiOs.Conformance;

/// <summary>What the header says a launcher reads and writes is what it reads and writes.</summary>
public sealed class AccessTests
{
    private const int CasesPerGroup = 12;
    private const long LargestCase = 1 << 15;

    public static TheoryData<string> Ops => [.. CaseList.All.SelectMany(list => list.Ops).Distinct()];

    [Theory]
    [MemberData(nameof(Ops))]
    public void A_launcher_accesses_what_it_declares(string op)
    {
        using var lab = new Lab("cpu", threads: 2, detectRaces: false);
        int run = 0;
        foreach (CaseGroup group in CaseList.All.SelectMany(list => list.Groups).Where(group => group.Op == op))
        {
            foreach (Case test in group.Cases().Where(Succeeds).Take(CasesPerGroup))
            {
                Assert.True(lab.JudgeAccesses(test) is not { } problem, $"{test}: {lab.JudgeAccesses(test)}");
                run++;
            }
        }

        Assert.True(run > 0, $"no case of {op} was run");
    }

    [Theory]
    [MemberData(nameof(Ops))]
    public void A_line_that_is_left_out_is_noticed(string op)
    {
        Case sample = CaseList.All.Single(list => list.Ops.Contains(op)).Sample(op, aios_dtype.F32);
        List<RangeAccess> declared = [];
        using (var lab = new Lab("cpu", threads: 2, detectRaces: false))
        {
            Assert.Null(lab.JudgeAccesses(sample, declared.AddRange));
        }

        // Without its addresses a table sends the kernel anywhere; a workspace may hold anything.
        foreach ((string name, bool isWrite) in declared.Where(access => access.Name is not ("tensors" or "workspace")).Select(access => (access.Name, access.IsWrite)).Distinct())
        {
            using var lab = new Lab("cpu", threads: 2, detectRaces: false);
            try
            {
                string? problem = lab.JudgeAccesses(sample, accesses => accesses.RemoveAll(access => access.Name == name && access.IsWrite == isWrite));
                Assert.True(problem is not null, $"{sample}: nobody notices that {name} is not declared as {(isWrite ? "written" : "read")}");
            }
            catch (BackendException)
            {
                // An index that is not declared became another and is out of range.
            }
        }
    }

    private static bool Succeeds(Case test) =>
        test.ExpectedStatus == aios_status.Ok && test.ExpectedExecutionError is null
        && test.Operands.Sum(operand => (long)operand.Length * operand.ElementSize) <= LargestCase;
}

using System.Text;
using AiOs.Conformance.Harness;
using AiOs.Interop;
using AiOs.Runtime;

namespace AiOs.Conformance;

/// <summary>
/// What each backend supports, as observed, against what it must support. Writes the table op × dtype × backend to the
/// test output and to `support-matrix.md` beside the tests.
/// </summary>
public sealed class SupportMatrixTests(ITestOutputHelper output)
{
    private static readonly aios_dtype[] s_types = [aios_dtype.F32, aios_dtype.Bf16, aios_dtype.F16, aios_dtype.I32];

    [Fact]
    public void Every_backend_supports_what_the_list_says()
    {
        BackendProbe[] available = [.. Backends.Probe().Where(probe => probe.Available)];
        if (available.Length == 0)
        {
            Assert.Skip($"no backend is available: {string.Join("; ", Backends.Probe().Select(probe => $"{probe.Name}: {probe.Problem}"))}");
        }

        var table = new StringBuilder("| op | ").AppendJoin(" | ", available.SelectMany(probe => s_types.Select(type => $"{probe.Name} {type}"))).AppendLine(" |");
        table.Append("|---|").Insert(table.Length, "---|", available.Length * s_types.Length).AppendLine();
        var problems = new List<string>();
        Lab[] labs = [.. available.Select(probe => new Lab(probe.Name, threads: 1))];
        foreach (CaseList list in CaseList.All)
        {
            foreach (string op in list.Ops)
            {
                table.Append("| ").Append(op).Append(" |");
                for (int i = 0; i < labs.Length; i++)
                {
                    foreach (aios_dtype type in s_types)
                    {
                        table.Append(Observe(labs[i], available[i].Name, list.Sample(op, type), problems)).Append('|');
                    }
                }

                table.AppendLine();
            }
        }

        Array.ForEach(labs, lab => lab.Dispose());
        output.WriteLine(table.ToString());

        // The suite may run several times at once, as for two sets of instructions.
        string file = Path.Combine(AppContext.BaseDirectory, "support-matrix.md"), own = $"{file}.{Environment.ProcessId}";
        File.WriteAllText(own, table.ToString());
        File.Move(own, file, overwrite: true);
        Assert.True(problems.Count == 0, string.Join('\n', problems));
    }

    private static string Observe(Lab lab, string backend, Case sample, List<string> problems)
    {
        string? reason = Exclusions.ReasonFor(backend, sample.Op, sample.Type);
        Outcome outcome = lab.Run(sample);
        bool unimplemented = outcome.Status == aios_status.Unimplemented;
        if (reason is null && outcome.Failure is { } failure)
        {
            problems.Add($"{backend}: {sample}: {failure}");
        }
        else if (reason is not null && !unimplemented)
        {
            problems.Add($"{backend}: {sample.Op} {sample.Type} is listed as excluded ({reason}), but the launcher returned {outcome.Status}");
        }

        return unimplemented ? " – " : outcome.Failure is null ? " yes " : " **fails** ";
    }
}

using AiOs.Conformance.Harness;
using AiOs.Runtime;

// The number of workers belongs to the whole library, so one group runs at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace AiOs.Conformance;

/// <summary>
/// Runs the cases of one list on every backend: once, compared with the oracle; again, compared with the bits of the
/// first run; and where there are workers (two so far) on a single one. AIOS_BACKEND leaves one backend, <see cref="Part"/> a
/// part of the cases. Each list names its test class at the foot of its file.
/// </summary>
public abstract class ConformanceTests<TCases>(ITestOutputHelper output)
    where TCases : CaseList
{
    private const int Shown = 10;

    public static TheoryData<string, string, string> Groups()
    {
        var data = new TheoryData<string, string, string>();
        foreach (string backend in Backends.Names.Where(name => Wanted is null || name == Wanted))
        {
            // An op that the backend lacks is one test, which says why it is skipped.
            foreach ((string op, string group) in List.Groups.Select(group => (group.Op, Exclusions.ReasonFor(backend, group.Op) is null ? group.Name : "all")).Distinct())
            {
                data.Add(backend, op, group);
            }
        }

        return data;
    }

    /// <summary>The only backend that is asked for, or null for all.</summary>
    private static string? Wanted => Environment.GetEnvironmentVariable("AIOS_BACKEND") is { Length: > 0 } name ? name : null;

    private static CaseList List => CaseList.All.Single(list => list is TCases);

    [Theory]
    [MemberData(nameof(Groups))]
    public void Conforms(string backend, string op, string group)
    {
        BackendProbe probe = Backends.Probe().Single(probe => probe.Name == backend);
        if (!probe.Available)
        {
            Assert.Skip($"backend {backend}: {probe.Problem}");
        }

        if (Exclusions.ReasonFor(backend, op) is { } reason)
        {
            Assert.Skip($"{op} on {backend}: {reason}");
        }

        CaseGroup found = List.Groups.Single(candidate => candidate.Op == op && candidate.Name == group);
        long largest = Exclusions.LargestCase(backend);
        IEnumerable<Case> Cases() => found.Cases().Where((test, index) => Part.Wanted.Has(index) && test.Operands.Sum(operand => (long)operand.Length) <= largest);
        var failures = new List<string>();
        var fingerprints = new List<ulong>();
        string isa;
        using (var lab = new Lab(backend, threads: 2))
        {
            isa = $"{lab.Device.Info.Isa}";
            foreach (Case test in Cases())
            {
                Outcome first = lab.Run(test);
                Outcome second = first.Failure is null ? lab.Run(test, judge: false) : first;
                fingerprints.Add(first.Fingerprint);
                if (first.Failure is { } failure)
                {
                    failures.Add($"{test}: {failure}");
                }
                else if (second.Fingerprint != first.Fingerprint)
                {
                    failures.Add($"{test}: a second run gave other bits ({lab.Explain(test) ?? "within the tolerance"})");
                }
            }
        }

        output.WriteLine($"{op} {group}: {fingerprints.Count} cases on {backend} ({isa})");
        if (failures.Count == 0 && Exclusions.HasWorkers(backend))
        {
            CompareOneWorker(backend, Cases(), fingerprints, failures);
        }

        Assert.True(failures.Count == 0, $"{failures.Count} of {fingerprints.Count} cases failed on {backend} ({isa}):\n{string.Join('\n', failures.Take(Shown))}");
    }

    private static void CompareOneWorker(string backend, IEnumerable<Case> cases, List<ulong> fingerprints, List<string> failures)
    {
        using var lab = new Lab(backend, threads: 1);
        int i = 0;
        foreach (Case test in cases)
        {
            if (lab.Run(test, judge: false).Fingerprint != fingerprints[i++])
            {
                failures.Add($"{test}: one worker gave other bits than two ({lab.Explain(test) ?? "within the tolerance"})");
            }
        }
    }
}

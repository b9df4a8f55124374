using AiOs.Conformance.Harness;
using AiOs.Interop;

namespace AiOs.Conformance.Cases;

/// <summary>`aios_gather` and `aios_scatter_add`.</summary>
public sealed unsafe class GatherCases : CaseList
{
    public override IReadOnlyList<string> Ops => ["aios_gather", "aios_scatter_add"];

    public override IEnumerable<CaseGroup> Groups =>
    [
        .. from op in Ops
           from type in Types
           select new CaseGroup(op, $"{type}", () => Family(op, type)),
        .. from op in Ops
           select new CaseGroup(op, "errors", () => Errors(op)),
    ];

    public override Case Sample(string op, aios_dtype type) => Make(op, type, 1, 100, 65, 64, exact: true);

    private static Case Make(string op, aios_dtype type, int outer, int axis, int inner, int count, bool exact, int[]? ids = null) =>
        op == "aios_gather" ? Gather(type, outer, axis, inner, count, ids) : ScatterAdd(type, outer, axis, inner, count, exact, ids);

    private static IEnumerable<Case> Family(string op, aios_dtype type)
    {
        for (int inner = 0; inner <= 256; inner++)
        {
            yield return Make(op, type, 1 + (inner % 2), 9, inner, 7, inner % 2 == 0);
        }

        foreach (bool exact in (bool[])[true, false])
        {
            yield return Make(op, type, 1, 1, 1, 1, exact);
            yield return Make(op, type, 3, 5, 1, 11, exact);
            yield return Make(op, type, 1, 300, 33, 500, exact);
            yield return Make(op, type, 5, 17, 13, 40, exact);
            yield return Make(op, type, 1, 2, 9, 300, exact);
            yield return Make(op, type, 1, 1000, 128, 2000, exact);
            yield return Make(op, type, 1, 4, 8, 0, exact);
            yield return Make(op, type, 0, 4, 8, 3, exact);
            yield return Make(op, type, 1, 6, 10, 64, exact, [.. Enumerable.Repeat(3, 64)]);
            yield return Make(op, type, 1, 6, 10, 6, exact, [0, 1, 2, 3, 4, 5]);
            yield return Make(op, type, 1, 3, 1, 150_000, exact);
        }
    }

    private static Case Gather(aios_dtype type, int outer, int axis, int inner, int count, int[]? fixedIds)
    {
        var test = new Case("aios_gather", type, $"outer={outer} axis={axis} inner={inner} count={count}{Text(fixedIds)}") { Launch = null! };
        Operand a = test.Input("a", type, test.Data.Reals((long)outer * axis * inner));
        Operand ids = Ids(test, fixedIds, count, axis);
        Operand output = test.Output("out", type, outer * count * inner);
        output.Exact = true;
        test.Launch = (k, s) => k.aios_gather(s, output.P, a.P, ids.I, outer, axis, inner, count, type);
        test.Oracle = () =>
        {
            for (int i = 0; i < outer * count * inner; i++)
            {
                (int o, int j, int c) = (i / inner / count, i / inner % count, i % inner);
                output.Expect(i, a[(((o * axis) + (int)ids[j]) * inner) + c]);
            }
        };
        return test;
    }

    private static Case ScatterAdd(aios_dtype type, int outer, int axis, int inner, int count, bool exact, int[]? fixedIds)
    {
        // The header fixes the order of the additions, and so the bits; a bf16 sum is rounded once for each piece of ids.
        const int piece = 131_072;
        bool integers = exact;
        var test = new Case("aios_scatter_add", type, $"outer={outer} axis={axis} inner={inner} count={count}{Text(fixedIds)}{(integers ? " integers" : "")}") { Launch = null! };
        Operand a = test.Input("a", type, integers ? test.Data.Integers((long)outer * count * inner, 1) : test.Data.Reals((long)outer * count * inner));
        Operand ids = Ids(test, fixedIds, count, axis);
        double[] before = integers ? test.Data.Integers((long)outer * axis * inner, 2) : test.Data.Reals((long)outer * axis * inner);
        Operand output = test.Output("out", type, before.Length, before);
        output.Exact = true;
        test.Launch = (k, s) => k.aios_scatter_add(s, output.P, a.P, ids.I, outer, axis, inner, count, type);
        test.Oracle = () =>
        {
            float[] sums = [.. before.Select(x => (float)x)];
            for (int j = 0; j < count; j++)
            {
                for (int i = 0; i < outer * inner; i++)
                {
                    (int o, int c) = (i / inner, i % inner);
                    sums[(((o * axis) + (int)ids[j]) * inner) + c] += (float)a[(((o * count) + j) * inner) + c];
                }

                if (j % piece == piece - 1)
                {
                    sums = Array.ConvertAll(sums, sum => (float)Storage.Round(type, sum));
                }
            }

            for (int i = 0; i < sums.Length; i++)
            {
                output.Expect(i, sums[i]);
            }
        };
        return test;
    }

    private static Operand Ids(Case test, int[]? fixedIds, int count, int axis) =>
        test.Input("ids", aios_dtype.I32, fixedIds is null ? test.Data.Indices(count, axis) : [.. fixedIds.Select(id => (double)id)]);

    private static string Text(int[]? ids) => ids is null ? "" : $" ids={string.Join(',', ids)}";

    private static Case[] Errors(string op)
    {
        Case Bad(int id, int place)
        {
            int[] ids = [.. Enumerable.Range(0, 20).Select(j => j == place ? id : j % 5)];
            Case test = Make(op, aios_dtype.F32, 2, 5, 7, 20, exact: true, ids);
            test.ExpectedExecutionError = $"{id}";
            return test;
        }

        return
        [
            Bad(5, 0), Bad(-1, 19), Bad(123456789, 7), Bad(int.MinValue, 10),
            op == "aios_gather"
                ? Rejects(Sampled(), "inner = -1", (c, k, s) => k.aios_gather(s, c[2].P, c[0].P, c[1].I, 1, 5, -1, 3, aios_dtype.F32))
                : Rejects(Sampled(), "inner = -1", (c, k, s) => k.aios_scatter_add(s, c[2].P, c[0].P, c[1].I, 1, 5, -1, 3, aios_dtype.F32)),
            op == "aios_gather"
                ? Rejects(Sampled(), "count = -1", (c, k, s) => k.aios_gather(s, c[2].P, c[0].P, c[1].I, 1, 5, 4, -1, aios_dtype.F32))
                : Rejects(Sampled(), "count = -1", (c, k, s) => k.aios_scatter_add(s, c[2].P, c[0].P, c[1].I, 1, 5, 4, -1, aios_dtype.F32)),
        ];

        Case Sampled() => Make(op, aios_dtype.F32, 1, 5, 4, 3, exact: true);
    }
}

public sealed class GatherTests(ITestOutputHelper output) : ConformanceTests<GatherCases>(output);

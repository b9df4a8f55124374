using AiOs.Conformance.Harness;
using AiOs.Interop;

namespace AiOs.Conformance.Cases;

/// <summary>`aios_reduce` and `aios_argmax`.</summary>
public sealed unsafe class ReduceCases : CaseList
{
    private static readonly (int Outer, int N, int Inner)[] s_shapes =
    [
        (1, 1, 1), (2, 3, 4), (3, 1, 5), (5, 7, 1), (1, 100, 17), (17, 100, 1), (4, 33, 65), (65, 4, 33), (1, 9, 300),
        (300, 9, 1), (2, 1000, 3), (1, 5000, 1), (1, 3, 5000), (0, 3, 4), (3, 4, 0),
    ];

    public override IReadOnlyList<string> Ops => ["aios_reduce", "aios_argmax"];

    public override IEnumerable<CaseGroup> Groups =>
    [
        .. from op in Enum.GetValues<aios_reduce_op>()
           from type in Types
           select new CaseGroup("aios_reduce", $"{op} {type}", () => Reductions(type, op)),
        .. from type in Types
           select new CaseGroup("aios_argmax", $"{type}", () => Argmaxes(type)),
        new CaseGroup("aios_reduce", "errors", ReduceErrors),
        new CaseGroup("aios_argmax", "errors", () =>
        [
            Rejects(Sample("aios_argmax", aios_dtype.F32), "n = 0", (c, k, s) => k.aios_argmax(s, c[1].I, c[0].P, 1, 0, 1, aios_dtype.F32)),
            Rejects(Sample("aios_argmax", aios_dtype.F32), "outer = -1", (c, k, s) => k.aios_argmax(s, c[1].I, c[0].P, -1, 1, 1, aios_dtype.F32)),
        ]),
    ];

    public override Case Sample(string op, aios_dtype type) => op == "aios_reduce"
        ? Reduce(type, aios_reduce_op.Sum, 8, 257, 3, exact: false, accumulate: false)
        : Argmax(type, 8, 257, 3, d => d.Reals(8 * 257 * 3));

    private static bool CanAccumulate(aios_reduce_op op) => op is aios_reduce_op.Sum or aios_reduce_op.Mean;

    private static IEnumerable<Case> Reductions(aios_dtype type, aios_reduce_op op)
    {
        for (int n = 0; n <= 256; n++)
        {
            yield return Reduce(type, op, 1 + (n % 3), n, 1, n % 2 == 0, accumulate: false);
            yield return Reduce(type, op, 1, n, 1 + (n % 5), n % 2 == 1, CanAccumulate(op) && n % 3 == 0);
            yield return Reduce(type, op, 2, 3, n, n % 2 == 1, CanAccumulate(op) && n % 3 == 1);
        }

        foreach ((int outer, int n, int inner) in s_shapes)
        {
            yield return Reduce(type, op, outer, n, inner, exact: true, accumulate: false);
            yield return Reduce(type, op, outer, n, inner, exact: false, CanAccumulate(op));
        }

        yield return Reduce(type, op, 1, 1_000_003, 1, exact: false, accumulate: false);
        yield return Reduce(type, op, 1, 100_003, 7, exact: false, accumulate: false);
        if (op >= aios_reduce_op.Max)
        {
            yield return WithNaN(type, op);
        }
    }

    private static Case Reduce(aios_dtype type, aios_reduce_op op, int outer, int n, int inner, bool exact, bool accumulate)
    {
        var test = new Case("aios_reduce", type, $"{op} outer={outer} n={n} inner={inner}{(exact ? " integers" : "")}{(accumulate ? " accumulate" : "")}") { Launch = null! };
        return Build(test, type, op, outer, n, inner, test.Data.Values((long)outer * n * inner, exact), exact && op != aios_reduce_op.Mean, accumulate);
    }

    private static Case WithNaN(aios_dtype type, aios_reduce_op op)
    {
        var test = new Case("aios_reduce", type, $"{op} of 40 rows of 41 with NaN at every place") { Launch = null! };
        double[] values = test.Data.Reals(41 * 41);
        for (int r = 0; r < 41; r++)
        {
            values[(r * 41) + r] = double.NaN;
        }

        return Build(test, type, op, 41, 41, 1, values, exact: true, accumulate: false);
    }

    private static Case Build(Case test, aios_dtype type, aios_reduce_op op, int outer, int n, int inner, double[] values, bool exact, bool accumulate)
    {
        Operand a = test.Input("a", type, values);
        double[]? initial = accumulate ? test.Data.Values(outer * inner, exact) : null;
        Operand output = test.Output("out", type, outer * inner, initial);
        output.Exact = exact || op >= aios_reduce_op.Max;
        Operand workspace = test.Scratch(k => k.aios_reduce_workspace_size(outer, n, inner, op, type));
        test.Launch = (k, s) => k.aios_reduce(s, output.P, a.P, workspace.P, workspace.Length, outer, n, inner, op, accumulate ? 1 : 0, type);
        test.Oracle = () =>
        {
            for (int i = 0; i < outer * inner; i++)
            {
                double sum = 0;
                double magnitude = 0;
                double max = double.NegativeInfinity;
                double min = double.PositiveInfinity;
                for (int r = 0; r < n; r++)
                {
                    double x = a[(((i / inner * n) + r) * inner) + (i % inner)];
                    sum += x;
                    magnitude += Math.Abs(x);
                    max = Math.Max(max, x);
                    min = Math.Min(min, x);
                }

                double before = initial is null ? 0 : initial[i];
                switch (op)
                {
                    case aios_reduce_op.Sum: output.Expect(i, before + sum, Math.Abs(before) + magnitude); break;
                    case aios_reduce_op.Mean: output.Expect(i, before + (sum / n), Math.Abs(before) + (magnitude / n)); break;
                    default: output.Expect(i, op == aios_reduce_op.Max ? max : min); break;
                }
            }
        };
        return test;
    }

    private static IEnumerable<Case> Argmaxes(aios_dtype type)
    {
        for (int n = 1; n <= 256; n++)
        {
            yield return Argmax(type, 1 + (n % 3), n, 1 + (n / 3 % 3), d => d.Reals((1 + (n % 3)) * n * (1 + (n / 3 % 3))));
        }

        foreach ((int outer, int n, int inner) in s_shapes)
        {
            // Integers make ties, of which the first must win.
            yield return Argmax(type, outer, n, inner, d => d.Integers((long)outer * n * inner, 2));
        }

        yield return Argmax(type, 2, 50257, 1, d => d.Reals(2 * 50257));
        yield return Argmax(type, 41, 41, 1, d =>
        {
            double[] values = d.Reals(41 * 41);
            for (int r = 0; r < 41; r++)
            {
                values[(r * 41) + r] = double.NaN;
                values[(r * 41) + 40] = double.NaN;
            }

            return values;
        });
        yield return Argmax(type, 1, 33, 1, _ => [.. Enumerable.Repeat(double.NegativeInfinity, 33)]);
    }

    private static Case Argmax(aios_dtype type, int outer, int n, int inner, Func<DataSource, double[]> values)
    {
        var test = new Case("aios_argmax", type, $"outer={outer} n={n} inner={inner}") { Launch = null! };
        Operand a = test.Input("a", type, values(test.Data));
        Operand output = test.Output("out", aios_dtype.I32, outer * inner);
        output.Exact = true;
        test.Launch = (k, s) => k.aios_argmax(s, output.I, a.P, outer, n, inner, type);
        test.Oracle = () =>
        {
            for (int i = 0; i < outer * inner; i++)
            {
                int best = 0;
                for (int r = 1; r < n; r++)
                {
                    double greatest = At(best);
                    double x = At(r);
                    if (!double.IsNaN(greatest) && (double.IsNaN(x) || x > greatest))
                    {
                        best = r;
                    }
                }

                output.Expect(i, best);
                double At(int r) => a[(((i / inner * n) + r) * inner) + (i % inner)];
            }
        };
        return test;
    }

    private static Case[] ReduceErrors()
    {
        Case Good(aios_reduce_op op = aios_reduce_op.Sum) => Reduce(aios_dtype.F32, op, 2, 3, 2, exact: true, accumulate: false);
        return
        [
            Rejects(Good(), "n = -1", (c, k, s) => k.aios_reduce(s, c[1].P, c[0].P, c[2].P, c[2].Length, 2, -1, 2, aios_reduce_op.Sum, 0, aios_dtype.F32)),
            Rejects(Good(), "outer = -1", (c, k, s) => k.aios_reduce(s, c[1].P, c[0].P, c[2].P, c[2].Length, -1, 3, 2, aios_reduce_op.Sum, 0, aios_dtype.F32)),
            Rejects(Good(), "op = 77", (c, k, s) => k.aios_reduce(s, c[1].P, c[0].P, c[2].P, c[2].Length, 2, 3, 2, (aios_reduce_op)77, 0, aios_dtype.F32)),
            Rejects(Good(aios_reduce_op.Max), "accumulate with MAX", (c, k, s) =>
                k.aios_reduce(s, c[1].P, c[0].P, c[2].P, c[2].Length, 2, 3, 2, aios_reduce_op.Max, 1, aios_dtype.F32)),
            ShortWorkspace(Reduce(aios_dtype.F32, aios_reduce_op.Sum, 1, 1_000_000, 1, exact: true, accumulate: false)),
            ShortWorkspace(Reduce(aios_dtype.Bf16, aios_reduce_op.Sum, 2, 5000, 9, exact: true, accumulate: false)),
        ];
    }
}

public sealed class ReduceTests(ITestOutputHelper output) : ConformanceTests<ReduceCases>(output);

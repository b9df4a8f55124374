using AiOs.Conformance.Harness;
using AiOs.Conformance.Oracles;
using AiOs.Interop;

namespace AiOs.Conformance.Cases;

/// <summary>`aios_cross_entropy` and `aios_cross_entropy_backward`.</summary>
public sealed unsafe class CrossEntropyCases : CaseList
{
    public override IReadOnlyList<string> Ops => ["aios_cross_entropy", "aios_cross_entropy_backward"];

    public override IEnumerable<CaseGroup> Groups =>
    [
        .. from op in Ops
           from type in Types
           select new CaseGroup(op, $"{type}", () => Family(type).Select(p => Make(op, p))),
        new CaseGroup("aios_cross_entropy", "errors", ForwardErrors),
        new CaseGroup("aios_cross_entropy_backward", "errors", BackwardErrors),
    ];

    /// <summary>How many rows are left out by a negative target.</summary>
    private enum LeftOut
    {
        None,
        Some,
        All,
    }

    private sealed record Problem(aios_dtype Type, int Rows, int Classes, int Pad = 0, LeftOut LeftOut = LeftOut.None, double Range = 5, bool InPlace = false)
    {
        public int Ld => Classes + Pad;

        /// <summary>Elements of the logits; the last row has no gap behind it.</summary>
        public int Length => Rows == 0 ? 0 : ((Rows - 1) * Ld) + Classes;
    }

    public override Case Sample(string op, aios_dtype type) => Make(op, new Problem(type, 64, 257));

    private static Case Make(string op, Problem p) => op == "aios_cross_entropy" ? Forward(p) : Backward(p);

    private static IEnumerable<Problem> Family(aios_dtype type)
    {
        for (int classes = 1; classes <= 256; classes++)
        {
            yield return new Problem(type, 1 + (classes % 5), classes, classes % 3, classes % 4 == 3 ? LeftOut.Some : LeftOut.None, InPlace: classes % 2 == 1);
        }

        yield return new Problem(type, 7, 33, 2, LeftOut.All);
        yield return new Problem(type, 300, 65, 0, LeftOut.Some);
        yield return new Problem(type, 64, 1000, 24);
        yield return new Problem(type, 5, 50257, 7, LeftOut.Some);
        yield return new Problem(type, 9, 40, 0, Range: 1000);
        yield return new Problem(type, 9, 40, 0, Range: 1000, InPlace: true);
    }

    private static double[] Targets(Case test, Problem p)
    {
        double[] targets = test.Data.Indices(p.Rows, p.Classes);
        for (int r = 0; r < p.Rows; r++)
        {
            if (p.LeftOut == LeftOut.All || (p.LeftOut == LeftOut.Some && r % 3 == 1))
            {
                targets[r] = r % 2 == 0 ? -100 : -1;
            }
        }

        return targets;
    }

    private static (double Lse, double Magnitude) LogSumExp(double[] logits, Problem p, int row)
    {
        double[] scores = logits.AsSpan(row * p.Ld, p.Classes).ToArray();
        double lse = AttentionHead.LogSumExp(scores);
        return (lse, Math.Abs(lse) + Math.Abs(scores.Max()) + 1);
    }

    private static Case Forward(Problem p)
    {
        var test = new Case("aios_cross_entropy", p.Type, $"{p with { InPlace = false }}") { Launch = null! };
        Operand logits = test.Input("logits", p.Type, test.Data.Reals(p.Length, -p.Range, p.Range));
        Operand targets = test.Input("targets", aios_dtype.I32, Targets(test, p));
        Operand loss = test.Output("loss", aios_dtype.F32, 2);
        Operand lse = test.Output("lse", aios_dtype.F32, p.Rows);
        Operand workspace = test.Scratch(k => k.aios_cross_entropy_workspace_size(p.Rows, p.Classes, p.Type));
        loss.Terms = lse.Terms = Math.Max(p.Rows, p.Classes);
        test.Launch = (k, s) => k.aios_cross_entropy(
            s, loss.F, lse.F, logits.P, targets.I, workspace.P, workspace.Length, p.Rows, p.Classes, p.Ld, p.Type);
        test.Oracle = () =>
        {
            double sum = 0;
            double magnitudes = 0;
            int count = 0;
            for (int r = 0; r < p.Rows; r++)
            {
                (double row, double magnitude) = LogSumExp(logits.Initial!, p, r);
                lse.Expect(r, row, magnitude);
                if (targets[r] >= 0)
                {
                    double logit = logits[(r * p.Ld) + (int)targets[r]];
                    sum += row - logit;
                    magnitudes += magnitude + Math.Abs(logit);
                    count++;
                }
            }

            loss.Expect(0, sum / count, magnitudes / count);
            loss.Expect(1, count);
        };
        return test;
    }

    private static Case Backward(Problem p)
    {
        var test = new Case("aios_cross_entropy_backward", p.Type, $"{p}") { Launch = null! };
        double[] values = test.Data.Reals(p.Length, -p.Range, p.Range);
        double[] logits = [.. values.Select(x => Storage.Round(p.Type, x))];
        double[] sums = [.. Enumerable.Range(0, p.Rows).Select(r => LogSumExp(logits, p, r).Lse)];
        Operand targets = test.Input("targets", aios_dtype.I32, Targets(test, p));
        double count = targets.Initial!.Count(target => target >= 0);
        Operand dloss = test.Input("dloss", aios_dtype.F32, [1.75]);
        Operand loss = test.Input("loss", aios_dtype.F32, [1.5, count]);
        Operand lse = test.Input("lse", aios_dtype.F32, sums);
        Operand? input = p.InPlace ? null : test.Input("logits", p.Type, values);
        Operand output = test.Output("dlogits", p.Type, p.Length, p.InPlace ? values : null);
        test.Launch = (k, s) => k.aios_cross_entropy_backward(
            s, output.P, dloss.F, loss.F, lse.F, (input ?? output).P, targets.I, p.Rows, p.Classes, p.Ld, p.Type);
        test.Oracle = () =>
        {
            for (int r = 0; r < p.Rows; r++)
            {
                for (int c = 0; c < p.Classes; c++)
                {
                    double logit = logits[(r * p.Ld) + c];
                    double probability = Math.Exp(logit - lse[r]);
                    double hit = targets[r] == c ? 1 : 0;

                    // The rounding of logit - lse turns into a relative error of the exponential.
                    double magnitude = (probability * (1 + Math.Abs(logit) + Math.Abs(lse[r]))) + hit;
                    bool leftOut = targets[r] < 0;
                    output.Expect((r * p.Ld) + c, leftOut ? 0 : (probability - hit) * dloss[0] / count, leftOut ? 0 : magnitude * dloss[0] / count);
                }
            }
        };
        return test;
    }

    private static Case[] ForwardErrors()
    {
        var p = new Problem(aios_dtype.F32, 6, 10);
        Case Target(int target)
        {
            Case test = Forward(p);
            test.Operands[1].Initial![4] = target;
            test.ExpectedExecutionError = $"{target}";
            return test;
        }

        return
        [
            Target(10), Target(123456789),
            Rejects(Forward(p), "rows = -1", (c, k, s) => k.aios_cross_entropy(s, c[2].F, c[3].F, c[0].P, c[1].I, c[4].P, c[4].Length, -1, 10, 10, aios_dtype.F32)),
            Rejects(Forward(p), "classes = -1", (c, k, s) => k.aios_cross_entropy(s, c[2].F, c[3].F, c[0].P, c[1].I, c[4].P, c[4].Length, 6, -1, 10, aios_dtype.F32)),
            Rejects(Forward(p), "ld < classes", (c, k, s) => k.aios_cross_entropy(s, c[2].F, c[3].F, c[0].P, c[1].I, c[4].P, c[4].Length, 6, 10, 9, aios_dtype.F32)),
            ShortWorkspace(Forward(p)),
        ];
    }

    private static Case[] BackwardErrors()
    {
        var p = new Problem(aios_dtype.F32, 6, 10);
        return
        [
            Rejects(Backward(p), "rows = -1", (c, k, s) => k.aios_cross_entropy_backward(s, c[5].P, c[1].F, c[2].F, c[3].F, c[4].P, c[0].I, -1, 10, 10, aios_dtype.F32)),
            Rejects(Backward(p), "ld < classes", (c, k, s) => k.aios_cross_entropy_backward(s, c[5].P, c[1].F, c[2].F, c[3].F, c[4].P, c[0].I, 6, 10, 9, aios_dtype.F32)),
        ];
    }
}

public sealed class CrossEntropyTests(ITestOutputHelper output) : ConformanceTests<CrossEntropyCases>(output);

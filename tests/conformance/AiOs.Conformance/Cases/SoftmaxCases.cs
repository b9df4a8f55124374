using AiOs.Conformance.Harness;
using AiOs.Interop;

namespace AiOs.Conformance.Cases;

/// <summary>`aios_softmax` and `aios_softmax_backward`.</summary>
public sealed unsafe class SoftmaxCases : CaseList
{
    private enum Rows
    {
        Random,

        /// <summary>Numbers whose exponential overflows: the greatest must be subtracted first.</summary>
        Huge,

        /// <summary>Some entries are minus infinity, as masks make them.</summary>
        Masked,

        /// <summary>The elements at the end are far greater than those at the beginning.</summary>
        Rising,
    }

    public override IReadOnlyList<string> Ops => ["aios_softmax", "aios_softmax_backward"];

    public override IEnumerable<CaseGroup> Groups =>
    [
        .. from op in Ops
           from type in Types
           select new CaseGroup(op, $"{type}", () => Family(op, type)),
        new CaseGroup("aios_softmax", "errors", () =>
        [
            Rejects(Sample("aios_softmax", aios_dtype.F32), "rows = -1", (c, k, s) => k.aios_softmax(s, c[1].P, c[0].P, -1, 4, aios_dtype.F32)),
            Rejects(Sample("aios_softmax", aios_dtype.F32), "cols = -1", (c, k, s) => k.aios_softmax(s, c[1].P, c[0].P, 4, -1, aios_dtype.F32)),
        ]),
        new CaseGroup("aios_softmax_backward", "errors", () =>
        [
            Rejects(Sample("aios_softmax_backward", aios_dtype.F32), "rows = -1", (c, k, s) => k.aios_softmax_backward(s, c[2].P, c[1].P, c[0].P, -1, 4, aios_dtype.F32)),
            Rejects(Sample("aios_softmax_backward", aios_dtype.F32), "cols = -1", (c, k, s) => k.aios_softmax_backward(s, c[2].P, c[1].P, c[0].P, 4, -1, aios_dtype.F32)),
        ]),
    ];

    public override Case Sample(string op, aios_dtype type) => Make(op, type, 64, 257, Rows.Random, inPlace: false);

    private static Case Make(string op, aios_dtype type, int rows, int cols, Rows kind, bool inPlace) =>
        op == "aios_softmax" ? Forward(type, rows, cols, kind, inPlace) : Backward(type, rows, cols, inPlace);

    private static IEnumerable<Case> Family(string op, aios_dtype type)
    {
        for (int cols = 0; cols <= 256; cols++)
        {
            yield return Make(op, type, 1 + (cols % 3), cols, Rows.Random, inPlace: cols % 4 == 1);
        }

        foreach (int cols in (int[])[1, 7, 16, 33, 100, 1000, 5003])
        {
            foreach (Rows rows in Enum.GetValues<Rows>())
            {
                yield return Make(op, type, 5, cols, rows, inPlace: false);
                yield return Make(op, type, 5, cols, rows, inPlace: true);
            }
        }

        yield return Make(op, type, 0, 5, Rows.Random, inPlace: false);
        yield return Make(op, type, 700, 65, Rows.Random, inPlace: false);
        yield return Make(op, type, 2, 50257, Rows.Random, inPlace: false);
        yield return Make(op, type, 3, 50257, Rows.Rising, inPlace: true);
        yield return Make(op, type, 2, 70001, Rows.Rising, inPlace: false);

        // More than the caches hold, in rows that begin anywhere.
        yield return Make(op, type, type == aios_dtype.F32 ? 2100 : 4200, 4003, Rows.Random, inPlace: false);
    }

    private static Case Forward(aios_dtype type, int rows, int cols, Rows kind, bool inPlace)
    {
        var test = new Case("aios_softmax", type, $"rows={rows} cols={cols} {kind}{(inPlace ? " in place" : "")}") { Launch = null! };
        double[] values = kind == Rows.Huge ? test.Data.Reals((long)rows * cols, 900, 1000) : test.Data.Reals((long)rows * cols, -10, 10);
        for (int i = 0; kind == Rows.Masked && i < values.Length; i++)
        {
            if (i % cols % 3 == 1)
            {
                values[i] = double.NegativeInfinity;
            }
        }

        for (int i = 0; kind == Rows.Rising && i < values.Length; i++)
        {
            values[i] += i % cols * (200.0 / cols);
        }

        double[] a = [.. values.Select(x => Storage.Round(type, x))];
        Operand? input = inPlace ? null : test.Input("a", type, values);
        Operand output = test.Output("out", type, rows * cols, inPlace ? values : null);
        output.Terms = cols;
        test.Launch = (k, s) => k.aios_softmax(s, output.P, (input ?? output).P, rows, cols, type);
        test.Oracle = () =>
        {
            for (int r = 0; r < rows && cols > 0; r++)
            {
                ReadOnlySpan<double> row = a.AsSpan(r * cols, cols);
                double max = double.NegativeInfinity;
                foreach (double x in row)
                {
                    max = Math.Max(max, x);
                }

                double sum = 0;
                foreach (double x in row)
                {
                    sum += Math.Exp(x - max);
                }

                for (int c = 0; c < cols; c++)
                {
                    // The rounding of a - max turns into a relative error of the exponential.
                    double want = Math.Exp(row[c] - max) / sum;
                    output.Expect((r * cols) + c, want, want == 0 ? 0 : want * (1 + max - row[c]));
                }
            }
        };
        return test;
    }

    private static Case Backward(aios_dtype type, int rows, int cols, bool inPlace)
    {
        var test = new Case("aios_softmax_backward", type, $"rows={rows} cols={cols}{(inPlace ? " in place" : "")}") { Launch = null! };
        Operand probabilities = test.Input("out", type, test.Data.Reals((long)rows * cols, 0, 1));
        double[] values = test.Data.Reals((long)rows * cols);
        double[] dout = [.. values.Select(x => Storage.Round(type, x))];
        Operand? gradient = inPlace ? null : test.Input("dout", type, values);
        Operand da = test.Output("da", type, rows * cols, inPlace ? values : null);
        da.Terms = cols;
        test.Launch = (k, s) => k.aios_softmax_backward(s, da.P, (gradient ?? da).P, probabilities.P, rows, cols, type);
        test.Oracle = () =>
        {
            for (int r = 0; r < rows; r++)
            {
                double sum = 0;
                double magnitude = 0;
                for (int i = r * cols; i < (r + 1) * cols; i++)
                {
                    sum += probabilities[i] * dout[i];
                    magnitude += Math.Abs(probabilities[i] * dout[i]);
                }

                for (int i = r * cols; i < (r + 1) * cols; i++)
                {
                    da.Expect(i, probabilities[i] * (dout[i] - sum), probabilities[i] * (Math.Abs(dout[i]) + magnitude));
                }
            }
        };
        return test;
    }
}

public sealed class SoftmaxTests(ITestOutputHelper output) : ConformanceTests<SoftmaxCases>(output);

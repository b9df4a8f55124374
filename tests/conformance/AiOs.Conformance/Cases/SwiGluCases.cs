using AiOs.Conformance.Harness;
using AiOs.Conformance.Oracles;
using AiOs.Interop;

namespace AiOs.Conformance.Cases;

/// <summary>`aios_swiglu` and `aios_swiglu_backward`.</summary>
public sealed unsafe class SwiGluCases : CaseList
{
    public override IReadOnlyList<string> Ops => ["aios_swiglu", "aios_swiglu_backward"];

    public override IEnumerable<CaseGroup> Groups =>
    [
        .. from op in Ops
           from type in Types
           select new CaseGroup(op, $"{type}", () => Family(op, type)),
        new CaseGroup("aios_swiglu", "errors", () =>
        [
            Rejects(Forward(aios_dtype.F32, 2, 4), "rows = -1", (c, k, s) => k.aios_swiglu(s, c[1].P, c[0].P, -1, 4, aios_dtype.F32)),
            Rejects(Forward(aios_dtype.F32, 2, 4), "cols = -1", (c, k, s) => k.aios_swiglu(s, c[1].P, c[0].P, 2, -1, aios_dtype.F32)),
        ]),
        new CaseGroup("aios_swiglu_backward", "errors", () =>
        [
            Rejects(Backward(aios_dtype.F32, 2, 4), "rows = -1", (c, k, s) => k.aios_swiglu_backward(s, c[2].P, c[1].P, c[0].P, -1, 4, aios_dtype.F32)),
            Rejects(Backward(aios_dtype.F32, 2, 4), "cols = -1", (c, k, s) => k.aios_swiglu_backward(s, c[2].P, c[1].P, c[0].P, 2, -1, aios_dtype.F32)),
        ]),
    ];

    public override Case Sample(string op, aios_dtype type) => Make(op, type, 33, 65);

    private static Case Make(string op, aios_dtype type, int rows, int cols) =>
        op == "aios_swiglu" ? Forward(type, rows, cols) : Backward(type, rows, cols);

    private static IEnumerable<Case> Family(string op, aios_dtype type)
    {
        for (int cols = 0; cols <= 256; cols++)
        {
            yield return Make(op, type, 1 + (cols % 3), cols);
        }

        yield return Make(op, type, 0, 7);
        yield return Make(op, type, 301, 333);
    }

    private static Case Forward(aios_dtype type, int rows, int cols)
    {
        var test = new Case("aios_swiglu", type, $"rows={rows} cols={cols}") { Launch = null! };
        Operand a = test.Input("a", type, test.Data.Reals(2L * rows * cols, -5, 5));
        Operand output = test.Output("out", type, rows * cols);
        test.Launch = (k, s) => k.aios_swiglu(s, output.P, a.P, rows, cols, type);
        test.Oracle = () =>
        {
            for (int i = 0; i < rows * cols; i++)
            {
                int gate = (i / cols * 2 * cols) + (i % cols);
                output.Expect(i, Special.Silu(a[gate]) * a[gate + cols]);
            }
        };
        return test;
    }

    private static Case Backward(aios_dtype type, int rows, int cols)
    {
        var test = new Case("aios_swiglu_backward", type, $"rows={rows} cols={cols}") { Launch = null! };
        Operand a = test.Input("a", type, test.Data.Reals(2L * rows * cols, -5, 5));
        Operand dout = test.Input("dout", type, test.Data.Reals((long)rows * cols));
        Operand da = test.Output("da", type, 2 * rows * cols);
        test.Launch = (k, s) => k.aios_swiglu_backward(s, da.P, dout.P, a.P, rows, cols, type);
        test.Oracle = () =>
        {
            for (int i = 0; i < rows * cols; i++)
            {
                int gate = (i / cols * 2 * cols) + (i % cols);
                double up = a[gate + cols];
                da.Expect(gate, dout[i] * up * Special.SiluDerivative(a[gate]), Math.Abs(dout[i] * up) * (1 + Math.Abs(a[gate])));
                da.Expect(gate + cols, dout[i] * Special.Silu(a[gate]));
            }
        };
        return test;
    }
}

public sealed class SwiGluTests(ITestOutputHelper output) : ConformanceTests<SwiGluCases>(output);

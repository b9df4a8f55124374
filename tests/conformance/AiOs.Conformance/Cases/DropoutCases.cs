using AiOs.Conformance.Harness;
using AiOs.Conformance.Oracles;
using AiOs.Interop;

namespace AiOs.Conformance.Cases;

/// <summary>`aios_dropout`: which elements are dropped must agree with Philox without exception.</summary>
public sealed unsafe class DropoutCases : CaseList
{
    public override IReadOnlyList<string> Ops => ["aios_dropout"];

    public override IEnumerable<CaseGroup> Groups =>
    [
        .. from type in Types
           select new CaseGroup("aios_dropout", $"{type}", () => Family(type)),
        new CaseGroup("aios_dropout", "errors", () =>
        [
            Rejects(Sample("aios_dropout", aios_dtype.F32), "n = -1", (c, k, s) => k.aios_dropout(s, c[1].P, c[0].P, -1, 0.5f, 1, 1, aios_dtype.F32)),
            Rejects(Sample("aios_dropout", aios_dtype.F32), "probability = 1", (c, k, s) => k.aios_dropout(s, c[1].P, c[0].P, 4, 1, 1, 1, aios_dtype.F32)),
            Rejects(Sample("aios_dropout", aios_dtype.F32), "probability = -0.1", (c, k, s) => k.aios_dropout(s, c[1].P, c[0].P, 4, -0.1f, 1, 1, aios_dtype.F32)),
            Rejects(Sample("aios_dropout", aios_dtype.F32), "probability = NaN", (c, k, s) => k.aios_dropout(s, c[1].P, c[0].P, 4, float.NaN, 1, 1, aios_dtype.F32)),
        ]),
    ];

    public override Case Sample(string op, aios_dtype type) => Make(type, 1000, 0.5f, 42, 7, inPlace: false);

    private static IEnumerable<Case> Family(aios_dtype type)
    {
        for (int n = 0; n <= 256; n++)
        {
            yield return Make(type, n, 0.5f, (ulong)n, 3, inPlace: n % 2 == 1);
        }

        foreach (float probability in (float[])[0, 0.1f, 0.25f, 0.9f, 0.999f])
        {
            yield return Make(type, 4099, probability, 0xDEADBEEF_01234567, 0xFEDCBA98_76543210, inPlace: false);
        }

        yield return Make(type, 200_003, 0.1f, ulong.MaxValue, ulong.MaxValue, inPlace: false);
    }

    private static Case Make(aios_dtype type, int n, float probability, ulong seed, ulong offset, bool inPlace)
    {
        var test = new Case("aios_dropout", type, $"n={n} p={probability} seed={seed} offset={offset}{(inPlace ? " in place" : "")}") { Launch = null! };
        double[] values = probability == 0.5f ? test.Data.Integers(n, 100) : test.Data.Reals(n);
        double[] a = [.. values.Select(x => Storage.Round(type, x))];
        Operand? input = inPlace ? null : test.Input("a", type, values);
        Operand output = test.Output("out", type, n, inPlace ? values : null);
        output.Exact = probability is 0 or 0.5f;
        test.Launch = (k, s) => k.aios_dropout(s, output.P, (input ?? output).P, n, probability, seed, offset, type);
        test.Oracle = () =>
        {
            for (int i = 0; i < n; i++)
            {
                output.Expect(i, Philox.Uniform(seed, offset, i) < probability ? 0 : a[i] / (1 - (double)probability));
            }
        };
        return test;
    }
}

public sealed class DropoutTests(ITestOutputHelper output) : ConformanceTests<DropoutCases>(output);

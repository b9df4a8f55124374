using AiOs.Conformance.Harness;
using AiOs.Interop;

namespace AiOs.Conformance.Cases;

/// <summary>`aios_rope`: both pairings, both directions, given and implied positions.</summary>
public sealed unsafe class RopeCases : CaseList
{
    public override IReadOnlyList<string> Ops => ["aios_rope"];

    public override IEnumerable<CaseGroup> Groups =>
    [
        .. from type in Types
           from interleaved in (bool[])[false, true]
           select new CaseGroup("aios_rope", $"{type} {(interleaved ? "interleaved" : "halves")}", () => Family(type, interleaved)),
        new CaseGroup("aios_rope", "errors", () =>
        [
            Rejects(Good(), "head_dim = 5", (c, k, s) => k.aios_rope(s, c[1].P, c[0].P, null, 1, 1, 1, 5, 10000, 0, 0, aios_dtype.F32)),
            Rejects(Good(), "batch = -1", (c, k, s) => k.aios_rope(s, c[1].P, c[0].P, null, -1, 1, 1, 4, 10000, 0, 0, aios_dtype.F32)),
            Rejects(Good(), "length = -1", (c, k, s) => k.aios_rope(s, c[1].P, c[0].P, null, 1, -1, 1, 4, 10000, 0, 0, aios_dtype.F32)),
        ]),
    ];

    public override Case Sample(string op, aios_dtype type) => Make(type, 2, 17, 3, 64, 10000, interleaved: false, inverse: false, positions: false, inPlace: false);

    private static Case Good() => Make(aios_dtype.F32, 2, 3, 2, 4, 10000, interleaved: false, inverse: false, positions: false, inPlace: false);

    private static IEnumerable<Case> Family(aios_dtype type, bool interleaved)
    {
        for (int dim = 0; dim <= 256; dim += 2)
        {
            yield return Make(type, 1 + (dim / 2 % 2), 5, 1 + (dim / 2 % 3), dim, 10000, interleaved, dim % 4 == 0, dim % 8 >= 4, dim % 16 >= 8);
        }

        yield return Make(type, 2, 0, 3, 8, 10000, interleaved, inverse: false, positions: false, inPlace: false);
        yield return Make(type, 2, 129, 4, 64, 500000, interleaved, inverse: false, positions: false, inPlace: false);
        yield return Make(type, 3, 200, 6, 34, 10000, interleaved, inverse: true, positions: true, inPlace: true);
    }

    private static Case Make(aios_dtype type, int batch, int length, int heads, int dim, float theta, bool interleaved, bool inverse, bool positions, bool inPlace)
    {
        var test = new Case("aios_rope", type,
            $"batch={batch} length={length} heads={heads} head_dim={dim} theta={theta} interleaved={interleaved} inverse={inverse} positions={positions}{(inPlace ? " in place" : "")}")
        { Launch = null! };
        double[] values = test.Data.Reals((long)batch * length * heads * dim);
        double[] x = [.. values.Select(v => Storage.Round(type, v))];
        Operand? input = inPlace ? null : test.Input("x", type, values);
        Operand output = test.Output("out", type, values.Length, inPlace ? values : null);
        Operand? table = positions ? test.Input("positions", aios_dtype.I32, test.Data.Indices(length, 4000)) : null;
        test.Launch = (k, s) => k.aios_rope(
            s, output.P, (input ?? output).P, table is null ? null : table.I, batch, length, heads, dim, theta, interleaved ? 1 : 0, inverse ? 1 : 0, type);
        test.Oracle = () =>
        {
            for (int row = 0; row < batch * length * heads; row++)
            {
                int t = row / heads % length;
                double position = table is null ? t : table[t];
                for (int p = 0; p < dim / 2; p++)
                {
                    double angle = position * Math.Pow(theta, -2.0 * p / dim) * (inverse ? -1 : 1);
                    int first = (row * dim) + (interleaved ? 2 * p : p);
                    int second = interleaved ? first + 1 : first + (dim / 2);
                    (double sin, double cos) = Math.SinCos(angle);

                    // An angle in binary32 is off by its own rounding, which turns the pair that much further.
                    double magnitude = (Math.Abs(x[first]) + Math.Abs(x[second])) * (1 + Math.Abs(angle));
                    output.Expect(first, (x[first] * cos) - (x[second] * sin), magnitude);
                    output.Expect(second, (x[first] * sin) + (x[second] * cos), magnitude);
                }
            }
        };
        return test;
    }
}

public sealed class RopeTests(ITestOutputHelper output) : ConformanceTests<RopeCases>(output);

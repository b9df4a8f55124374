using AiOs.Conformance.Harness;
using AiOs.Interop;

namespace AiOs.Conformance.Cases;

/// <summary>`aios_fill` and `aios_cast`: every result is one rounding away, so all of them must be exact.</summary>
public sealed unsafe class FillCastCases : CaseList
{
    private static readonly aios_dtype[] s_floats = [aios_dtype.F32, aios_dtype.F16, aios_dtype.Bf16];

    public override IReadOnlyList<string> Ops => ["aios_fill", "aios_cast"];

    public override IEnumerable<CaseGroup> Groups =>
    [
        .. from type in (aios_dtype[])[.. s_floats, aios_dtype.I32]
           select new CaseGroup("aios_fill", $"{type}", () => Fills(type)),
        .. from to in s_floats
           from source in s_floats
           select new CaseGroup("aios_cast", $"{source} to {to}", () => Casts(to, source)),
        new CaseGroup("aios_fill", "errors", () => [Rejects(Fill(aios_dtype.F32, 4, 1), "n = -1", (c, k, s) => k.aios_fill(s, c[0].P, -1, 1, aios_dtype.F32))]),
        new CaseGroup("aios_cast", "errors", () =>
        [
            Rejects(Cast(aios_dtype.F32, aios_dtype.Bf16, "4 numbers", d => d.Reals(4)), "n = -1", (c, k, s) =>
                k.aios_cast(s, c[1].P, c[0].P, -1, aios_dtype.F32, aios_dtype.Bf16)),
        ]),
    ];

    public override Case Sample(string op, aios_dtype type) => op switch
    {
        "aios_fill" => Fill(type, 1000, 3),
        _ => Cast(aios_dtype.F32, type, "1000 integers", d => d.Integers(1000)),
    };

    private static IEnumerable<Case> Fills(aios_dtype type)
    {
        for (int n = 0; n <= 256; n++)
        {
            yield return Fill(type, n, n);
        }

        foreach (double value in (double[])[0.1, -2.75, 3.99, -3.99, 65535, 2147483647, -2147483648, 1e30, double.PositiveInfinity, double.NaN])
        {
            if (type != aios_dtype.I32 || Math.Abs(value) < 3e9)
            {
                yield return Fill(type, 37, value);
            }
        }

        yield return Fill(type, 300_001, -1);
    }

    private static Case Fill(aios_dtype type, int n, double value)
    {
        var test = new Case("aios_fill", type, $"n={n} value={value:R}") { Launch = null! };
        Operand output = test.Output("out", type, n);
        output.Exact = true;
        test.Launch = (k, s) => k.aios_fill(s, output.P, n, value, type);
        test.Oracle = () =>
        {
            for (int i = 0; i < n; i++)
            {
                output.Expect(i, type == aios_dtype.I32 ? Math.Truncate(value) : value);
            }
        };
        return test;
    }

    private static IEnumerable<Case> Casts(aios_dtype to, aios_dtype from)
    {
        for (int n = 0; n <= 256; n++)
        {
            yield return Cast(to, from, $"{n} numbers", d => d.Reals(n));
        }

        yield return Cast(to, from, "100003 numbers", d => d.Reals(100_003));
        yield return Cast(to, from, "every sixteen-bit pattern", _ => EveryPattern(from));
        if (from == aios_dtype.F32)
        {
            yield return Cast(to, from, "halfway between neighbours, and next to it", _ => Halfway(to));
            yield return Cast(to, from, "random bits", d => [.. Enumerable.Range(0, 20_000).Select(_ => (double)BitConverter.UInt32BitsToSingle((uint)d.Next())).Where(double.IsFinite)]);
        }
    }

    private static Case Cast(aios_dtype to, aios_dtype from, string what, Func<DataSource, double[]> values)
    {
        var test = new Case("aios_cast", from, $"to {to}: {what}") { Launch = null! };
        Operand input = test.Input("a", from, values(test.Data));
        Operand output = test.Output("out", to, input.Length);
        output.Exact = true;
        test.Launch = (k, s) => k.aios_cast(s, output.P, input.P, input.Length, to, from);
        test.Oracle = () =>
        {
            for (int i = 0; i < input.Length; i++)
            {
                output.Expect(i, input[i]);
            }
        };
        return test;
    }

    /// <summary>
    /// All numbers of a sixteen-bit type, subnormal ones included; for F32 those of bfloat16. What NaN carries besides
    /// is left out: one of the patterns is the poison.
    /// </summary>
    private static double[] EveryPattern(aios_dtype type) =>
        [.. Enumerable.Range(0, 1 << 16)
            .Select(bits => Storage.Load(BitConverter.GetBytes((ushort)bits), type == aios_dtype.F16 ? type : aios_dtype.Bf16))
            .Select(value => double.IsNaN(value) ? double.NaN : value)];

    /// <summary>Ties between neighbours of the narrow type, and the binary32 numbers on both sides of each.</summary>
    private static double[] Halfway(aios_dtype type)
    {
        var values = new List<double>();
        for (int bits = 0; bits < 0x7FFF; bits += 7)
        {
            double low = Storage.Load(BitConverter.GetBytes((ushort)bits), type == aios_dtype.F16 ? type : aios_dtype.Bf16);
            double high = Storage.Load(BitConverter.GetBytes((ushort)(bits + 1)), type == aios_dtype.F16 ? type : aios_dtype.Bf16);
            if (!double.IsFinite(high))
            {
                continue;
            }

            float middle = (float)((low + high) / 2);
            values.AddRange([middle, MathF.BitIncrement(middle), MathF.BitDecrement(middle), -middle]);
        }

        return [.. values];
    }
}

public sealed class FillCastTests(ITestOutputHelper output) : ConformanceTests<FillCastCases>(output);

using AiOs.Conformance.Harness;
using AiOs.Interop;

namespace AiOs.Conformance.Cases;

/// <summary>`aios_global_norm`, `aios_adamw` and `aios_sgd`, which run over tables of tensors.</summary>
public sealed unsafe class OptimizerCases : CaseList
{
    private static readonly int[][] s_tables =
    [
        [1], [7], [64], [1000, 1, 0, 33], [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17], [40_000, 3, 2048, 1023],
        [.. Enumerable.Repeat(3, 200)], [1025], [4096, 4097], [0], [200_003],
    ];

    public override IReadOnlyList<string> Ops => ["aios_global_norm", "aios_adamw", "aios_sgd"];

    public override IEnumerable<CaseGroup> Groups =>
    [
        .. from type in Types
           select new CaseGroup("aios_global_norm", $"{type}", () => Norms(type)),
        .. from type in Types
           from master in (bool[])[false, true]
           select new CaseGroup("aios_adamw", $"{type}{(master ? " master" : "")}", () => Steps(type, master, AdamW)),
        .. from type in Types
           from master in (bool[])[false, true]
           select new CaseGroup("aios_sgd", $"{type}{(master ? " master" : "")}", () => Steps(type, master, Sgd)),
        new CaseGroup("aios_global_norm", "errors", () =>
        [
            Rejects(Norm(aios_dtype.F32, [4], 1), "count = -1", (c, k, s) => k.aios_global_norm(s, c[1].F, (aios_norm_tensor*)c[2].P, c[3].P, c[3].Length, -1, 4, 1)),
            Rejects(Norm(aios_dtype.F32, [4], 1), "total = -1", (c, k, s) => k.aios_global_norm(s, c[1].F, (aios_norm_tensor*)c[2].P, c[3].P, c[3].Length, 1, -1, 1)),
            ShortWorkspace(Norm(aios_dtype.F32, [100_000, 5], 1)),
        ]),
        new CaseGroup("aios_adamw", "errors", () =>
        [
            Rejects(Sample("aios_adamw", aios_dtype.F32), "count = -1", (c, k, s) => k.aios_adamw(s, (aios_adamw_tensor*)c[^1].P, null, -1, 1, 0.1, 0.9, 0.99, 1e-8)),
            Rejects(Sample("aios_adamw", aios_dtype.F32), "step = 0", (c, k, s) => k.aios_adamw(s, (aios_adamw_tensor*)c[^1].P, null, 1, 0, 0.1, 0.9, 0.99, 1e-8)),
        ]),
        new CaseGroup("aios_sgd", "errors", () =>
        [
            Rejects(Sample("aios_sgd", aios_dtype.F32), "count = -1", (c, k, s) => k.aios_sgd(s, (aios_sgd_tensor*)c[^1].P, null, -1, 1, 0.1, 0.9)),
            Rejects(Sample("aios_sgd", aios_dtype.F32), "step = 0", (c, k, s) => k.aios_sgd(s, (aios_sgd_tensor*)c[^1].P, null, 1, 0, 0.1, 0.9)),
        ]),
    ];

    public override Case Sample(string op, aios_dtype type) => op switch
    {
        "aios_global_norm" => Norm(type, [1000, 33], 1),
        "aios_adamw" => AdamW(type, false, [1000, 33], 3, scaled: true),
        _ => Sgd(type, false, [1000, 33], 3, scaled: true),
    };

    private static IEnumerable<Case> Norms(aios_dtype type)
    {
        for (int n = 0; n <= 256; n++)
        {
            yield return Norm(type, [n], 1);
        }

        foreach (int[] sizes in s_tables)
        {
            foreach (double limit in (double[])[1, 1e9, 0, -1])
            {
                yield return Norm(type, sizes, limit);
            }
        }

        yield return Norm(type, [], 1);
        yield return Norm(type, [300], 1, range: 1e15);
    }

    private static Case Norm(aios_dtype type, int[] sizes, double limit, double range = 2)
    {
        var test = new Case("aios_global_norm", type, $"sizes={Text(sizes)} max_norm={limit} range={range}") { Launch = null! };
        Operand[] data = [.. sizes.Select((n, i) => test.Input($"data{i}", type, test.Data.Reals(n, -range, range)))];
        Operand output = test.Output("out", aios_dtype.F32, 2);
        Operand tensors = test.Table(sizes.Length, () => Array.ConvertAll(data, d => new aios_norm_tensor { data = d.P, n = d.Length, dtype = type }));
        long total = sizes.Sum();
        Operand workspace = test.Scratch(k => k.aios_global_norm_workspace_size(sizes.Length, total));
        output.Terms = (int)Math.Max(1, total);
        test.Launch = (k, s) => k.aios_global_norm(
            s, output.F, (aios_norm_tensor*)tensors.P, workspace.P, workspace.Length, sizes.Length, total, limit);
        test.Oracle = () =>
        {
            double norm = Math.Sqrt(data.Sum(d => d.Initial!.Sum(x => x * x)));
            output.Expect(0, norm);
            output.Expect(1, limit <= 0 ? 1 : Math.Min(1, limit / (norm + 1e-6)));
        };
        return test;
    }

    private static IEnumerable<Case> Steps(aios_dtype type, bool master, Func<aios_dtype, bool, int[], int, bool, Case> make)
    {
        for (int n = 0; n <= 256; n++)
        {
            yield return make(type, master, [n], 1 + (n % 4), n % 2 == 0);
        }

        foreach (int[] sizes in s_tables)
        {
            foreach (int step in (int[])[1, 2, 10, 100_000])
            {
                yield return make(type, master, sizes, step, step != 2);
            }
        }

        yield return make(type, master, [], 1, false);
    }

    /// <summary>Tensors with an odd number have no weight decay.</summary>
    private static double WeightDecay(int tensor) => tensor % 2 == 0 ? 0.1 : 0;

    /// <summary>
    /// What a step updates: the parameters themselves or their masters. With masters a parameter holds nothing that may be
    /// read, and receives the master's result rounded; tensors with a number of 2, 5, 8, ... have none even then.
    /// </summary>
    private static (Operand[] Parameters, Operand?[] Masters, Operand[] Updated) Parameters(Case test, aios_dtype type, bool master, int[] sizes)
    {
        bool[] has = [.. sizes.Select((_, i) => master && i % 3 != 2)];
        Operand[] p = [.. sizes.Select((n, i) => test.Output($"param{i}", type, n, has[i] ? null : test.Data.Reals(n)))];
        Operand?[] w = [.. sizes.Select((n, i) => has[i] ? test.Output($"master{i}", aios_dtype.F32, n, test.Data.Reals(n)) : null)];
        for (int i = 0; i < p.Length; i++)
        {
            (p[i].RoundingOf, p[i].Exact) = (w[i], has[i]);
        }

        return (p, w, [.. w.Select((operand, i) => operand ?? p[i])]);
    }

    private static void ExpectUpdate(Operand parameter, Operand updated, int i, double want, double magnitude)
    {
        updated.Expect(i, want, magnitude);
        if (parameter != updated)
        {
            parameter.Expect(i, want);
        }
    }

    private static string Detail(bool master, int[] sizes, int step, bool scaled) =>
        $"sizes={Text(sizes)} step={step}{(scaled ? " scaled" : "")}{(master ? " master" : "")}";

    private static Case AdamW(aios_dtype type, bool master, int[] sizes, int step, bool scaled)
    {
        const double Rate = 0.01;
        const double Beta1 = 0.9;
        const double Beta2 = 0.95;
        const double Epsilon = 1e-8;
        var test = new Case("aios_adamw", type, Detail(master, sizes, step, scaled)) { Launch = null! };
        (Operand[] stored, Operand?[] masters, Operand[] p) = Parameters(test, type, master, sizes);
        Operand[] g = [.. sizes.Select((n, i) => test.Input($"grad{i}", type, test.Data.Reals(n)))];
        Operand[] m = [.. sizes.Select((n, i) => test.Output($"m{i}", aios_dtype.F32, n, test.Data.Reals(n, -0.1, 0.1)))];
        Operand[] v = [.. sizes.Select((n, i) => test.Output($"v{i}", aios_dtype.F32, n, test.Data.Reals(n, 0, 0.1)))];
        Operand? scale = scaled ? test.Input("grad_scale", aios_dtype.F32, [0.375]) : null;
        Operand tensors = test.Table(sizes.Length, () =>
        {
            var table = new aios_adamw_tensor[sizes.Length];
            for (int t = 0; t < table.Length; t++)
            {
                table[t] = new aios_adamw_tensor { param = stored[t].P, grad = g[t].P, master = (float*)(masters[t]?.Address ?? 0), m = m[t].F, v = v[t].F, n = sizes[t], weight_decay = WeightDecay(t), dtype = type };
            }

            return table;
        });
        test.Launch = (k, s) => k.aios_adamw(s, (aios_adamw_tensor*)tensors.P, scale is null ? null : scale.F, sizes.Length, step, Rate, Beta1, Beta2, Epsilon);
        test.Oracle = () =>
        {
            for (int t = 0; t < sizes.Length; t++)
            {
                for (int i = 0; i < sizes[t]; i++)
                {
                    double gradient = g[t][i] * (scale?[0] ?? 1);
                    double mean = (Beta1 * m[t][i]) + ((1 - Beta1) * gradient);
                    double square = (Beta2 * v[t][i]) + ((1 - Beta2) * gradient * gradient);
                    double meanMagnitude = Math.Abs(Beta1 * m[t][i]) + Math.Abs((1 - Beta1) * gradient);
                    double factor = Rate / (1 - Math.Pow(Beta1, step)) / ((Math.Sqrt(square) / Math.Sqrt(1 - Math.Pow(Beta2, step))) + Epsilon);
                    double decayed = p[t][i] * (1 - (Rate * WeightDecay(t)));
                    m[t].Expect(i, mean, meanMagnitude);
                    v[t].Expect(i, square);
                    ExpectUpdate(stored[t], p[t], i, decayed - (factor * mean), Math.Abs(p[t][i]) + (factor * meanMagnitude * 2));
                }
            }
        };
        return test;
    }

    /// <summary>Tensors whose number is a multiple of three have no velocity.</summary>
    private static Case Sgd(aios_dtype type, bool master, int[] sizes, int step, bool scaled)
    {
        const double Rate = 0.05;
        const double Momentum = 0.9;
        var test = new Case("aios_sgd", type, Detail(master, sizes, step, scaled)) { Launch = null! };
        int without = (step + sizes.Length) % 3;
        (Operand[] stored, Operand?[] masters, Operand[] p) = Parameters(test, type, master, sizes);
        Operand[] g = [.. sizes.Select((n, i) => test.Input($"grad{i}", type, test.Data.Reals(n)))];
        Operand?[] u = [.. sizes.Select((n, i) => i % 3 == without ? null : test.Output($"velocity{i}", aios_dtype.F32, n, step == 1 ? null : test.Data.Reals(n)))];
        Operand? scale = scaled ? test.Input("grad_scale", aios_dtype.F32, [0.375]) : null;
        Operand tensors = test.Table(sizes.Length, () =>
        {
            var table = new aios_sgd_tensor[sizes.Length];
            for (int t = 0; t < table.Length; t++)
            {
                table[t] = new aios_sgd_tensor { param = stored[t].P, grad = g[t].P, master = (float*)(masters[t]?.Address ?? 0), velocity = (float*)(u[t]?.Address ?? 0), n = sizes[t], weight_decay = WeightDecay(t), dtype = type };
            }

            return table;
        });
        test.Launch = (k, s) => k.aios_sgd(s, (aios_sgd_tensor*)tensors.P, scale is null ? null : scale.F, sizes.Length, step, Rate, Momentum);
        test.Oracle = () =>
        {
            for (int t = 0; t < sizes.Length; t++)
            {
                for (int i = 0; i < sizes[t]; i++)
                {
                    double scaledGradient = g[t][i] * (scale?[0] ?? 1);
                    double gradient = scaledGradient + (WeightDecay(t) * p[t][i]);
                    double magnitude = Math.Abs(scaledGradient) + Math.Abs(WeightDecay(t) * p[t][i]);
                    double old = step == 1 || u[t] is null ? 0 : Momentum * u[t]![i];
                    double velocity = old + gradient;
                    u[t]?.Expect(i, velocity, magnitude + Math.Abs(old));
                    ExpectUpdate(stored[t], p[t], i, p[t][i] - (Rate * velocity), Math.Abs(p[t][i]) + (Rate * (magnitude + Math.Abs(old))));
                }
            }
        };
        return test;
    }

    private static string Text(int[] sizes) => sizes.Length > 20 ? $"{sizes.Length}x{sizes[0]}" : $"[{string.Join(',', sizes)}]";
}

public sealed class OptimizerTests(ITestOutputHelper output) : ConformanceTests<OptimizerCases>(output);

using AiOs.Conformance.Harness;
using AiOs.Conformance.Oracles;
using AiOs.Interop;

namespace AiOs.Conformance.Cases;

/// <summary>
/// `aios_gemm` and `aios_gemm_pack`: sizes around every plausible tile, transposes, pitches, batches and epilogues.
/// </summary>
public sealed unsafe class GemmCases : CaseList
{
    private const aios_epilogue Everything = aios_epilogue.Bias | aios_epilogue.GeluTanh | aios_epilogue.Residual;

    private static readonly (aios_dtype In, aios_dtype Out)[] s_types =
        [(aios_dtype.F32, aios_dtype.F32), (aios_dtype.Bf16, aios_dtype.Bf16), (aios_dtype.Bf16, aios_dtype.F32), (aios_dtype.I8, aios_dtype.I32), (aios_dtype.I8, aios_dtype.F32)];

    // 1 and the neighbours of the tile sizes that kernels use: 4, 6, 8, 12, 14, 16, 24, 32, 48, 64, 96.
    private static readonly int[] s_sizes = [1, 2, 3, 5, 6, 7, 8, 9, 11, 13, 14, 15, 16, 17, 23, 25, 28, 31, 33, 47, 48, 49, 63, 65, 95, 97];

    public override IReadOnlyList<string> Ops => ["aios_gemm", "aios_gemm_pack"];

    public override IEnumerable<CaseGroup> Groups =>
    [
        .. from types in s_types
           from ta in (bool[])[false, true]
           from tb in (bool[])[false, true]
           select new CaseGroup("aios_gemm", $"{types.In} to {types.Out} sizes, {(ta ? "T" : "N")}{(tb ? "T" : "N")}", () => Sizes(types.In, types.Out, ta, tb)),
        .. from types in s_types
           where types.Out != aios_dtype.I32
           select new CaseGroup("aios_gemm", $"{types.In} to {types.Out} epilogues", () => Epilogues(types.In, types.Out)),
        .. from types in s_types
           select new CaseGroup("aios_gemm", $"{types.In} to {types.Out} batches", () => Batches(types.In, types.Out)),
        .. from types in s_types
           select new CaseGroup("aios_gemm", $"{types.In} to {types.Out} large", () => Large(types.In, types.Out)),
        new CaseGroup("aios_gemm", "errors", Errors),
        .. from types in s_types
           select new CaseGroup("aios_gemm_pack", $"{types.In} to {types.Out}", () => Packed(types.In, types.Out)),
        new CaseGroup("aios_gemm_pack", "errors", PackErrors),
    ];

    /// <summary>Everything a case may vary.</summary>
    private sealed record Problem(aios_dtype In, aios_dtype Out, int M, int N, int K)
    {
        public bool TransA { get; init; }

        public bool TransB { get; init; }

        public int Batch { get; init; } = 1;

        /// <summary>Unused elements at the end of each row of every matrix.</summary>
        public int Pad { get; init; }

        /// <summary>Share one A, B or residual over the batch.</summary>
        public string Shared { get; init; } = "";

        public aios_epilogue Epilogue { get; init; }

        public bool Aux { get; init; }

        public bool ResidualIsC { get; init; }

        public float Alpha { get; init; } = 1;

        public float Beta { get; init; }

        public bool Exact { get; init; }

        /// <summary>B goes through aios_gemm_pack.</summary>
        public bool Packed { get; init; }

        public override string ToString() =>
            $"{In}->{Out} m={M} n={N} k={K} {(TransA ? "T" : "N")}{(TransB ? "T" : "N")} batch={Batch} pad={Pad} shared='{Shared}' epilogue={Epilogue}"
            + $"{(Aux ? "+aux" : "")}{(ResidualIsC ? " residual=c" : "")} alpha={Alpha} beta={Beta}{(Exact ? " integers" : "")}{(Packed ? " packed" : "")}";
    }

    public override Case Sample(string op, aios_dtype type) =>
        Make(new Problem(type, type, 65, 129, 77) { Epilogue = aios_epilogue.Bias, Packed = op == "aios_gemm_pack" });

    private static IEnumerable<Case> Sizes(aios_dtype type, aios_dtype output, bool ta, bool tb)
    {
        // Every triple of small extents, so that every remainder of the small tiles meets every other one.
        for (int m = 1; m <= 9; m++)
        {
            for (int n = 1; n <= 9; n++)
            {
                for (int k = 0; k <= 5; k++)
                {
                    yield return Make(new Problem(type, output, m, n, k) { TransA = ta, TransB = tb, Exact = true });
                }
            }
        }

        // Every pair (m, n) of the tile neighbours, with k walking through them.
        int turn = 0;
        foreach (int m in s_sizes)
        {
            foreach (int n in s_sizes)
            {
                int k = s_sizes[turn++ % s_sizes.Length];
                yield return Make(new Problem(type, output, m, n, k) { TransA = ta, TransB = tb, Exact = turn % 2 == 0, Pad = turn % 3 });
            }
        }

        foreach (int k in (int[])[126, 127, 128, 129, 191, 193, 255, 256, 257, 319, 383, 385, 511, 512, 513, 1023, 1025])
        {
            yield return Make(new Problem(type, output, 7, 17, k) { TransA = ta, TransB = tb, Exact = true });
            yield return Make(new Problem(type, output, 15, 33, k) { TransA = ta, TransB = tb, Pad = 1 });
        }

        yield return Make(new Problem(type, output, 0, 5, 4) { TransA = ta, TransB = tb });
        yield return Make(new Problem(type, output, 5, 0, 4) { TransA = ta, TransB = tb });
    }

    private static IEnumerable<Case> Epilogues(aios_dtype type, aios_dtype output)
    {
        int turn = 0;
        foreach ((int m, int n, int k) in ((int, int, int)[])[(1, 1, 1), (5, 7, 3), (6, 16, 8), (7, 17, 9), (13, 31, 20), (16, 64, 33), (33, 50, 0), (65, 97, 40)])
        {
            for (aios_epilogue epilogue = 0; epilogue <= Everything; epilogue++)
            {
                bool gelu = epilogue.HasFlag(aios_epilogue.GeluTanh);
                foreach ((float alpha, float beta) in ((float, float)[])[(1, 0), (1, 1), (-2, 0.5f), (0, 1), (0.5f, 0)])
                {
                    turn++;
                    yield return Make(new Problem(type, output, m, n, k)
                    {
                        TransA = turn % 2 == 0,
                        TransB = turn / 2 % 2 == 0,
                        Pad = turn % 4,
                        Epilogue = epilogue,
                        Aux = gelu && turn % 3 != 0,
                        Alpha = alpha,
                        Beta = beta,
                        Exact = !gelu,
                        ResidualIsC = epilogue.HasFlag(aios_epilogue.Residual) && turn % 3 == 0,
                    });
                }
            }
        }
    }

    private static IEnumerable<Case> Batches(aios_dtype type, aios_dtype output)
    {
        int turn = 0;
        foreach (int batch in (int[])[0, 1, 2, 3, 5, 17])
        {
            foreach ((int m, int n, int k) in ((int, int, int)[])[(1, 1, 1), (3, 5, 7), (16, 16, 16), (9, 33, 17), (40, 24, 65)])
            {
                foreach (string shared in (string[])["", "a", "b", "r", "abr"])
                {
                    turn++;
                    yield return Make(new Problem(type, output, m, n, k)
                    {
                        Batch = batch,
                        Shared = shared,
                        TransA = turn % 2 == 0,
                        TransB = turn % 3 == 0,
                        Pad = turn % 2,
                        Epilogue = turn % 4 == 0 ? Everything : shared.Contains('r', StringComparison.Ordinal) ? aios_epilogue.Residual : aios_epilogue.None,
                        Aux = turn % 4 == 0,
                        Beta = turn % 5 == 0 ? 1 : 0,
                        Exact = turn % 4 != 0,
                    });
                }
            }
        }
    }

    /// <summary>Past the cache blocks, and enough work to be split over the workers.</summary>
    private static IEnumerable<Case> Large(aios_dtype type, aios_dtype output)
    {
        int turn = 0;
        foreach ((int m, int n, int k) in ((int, int, int)[])[(129, 257, 300), (1, 1000, 257), (1000, 1, 257), (4, 4, 5000), (300, 65, 513), (67, 800, 65), (8, 1030, 130), (520, 24, 31)])
        {
            for (int transposes = 0; transposes < 4; transposes++)
            {
                turn++;
                yield return Make(new Problem(type, output, m, n, k)
                {
                    TransA = (transposes & 1) != 0,
                    TransB = (transposes & 2) != 0,
                    Exact = turn % 2 == 0,
                    Pad = turn % 3,
                    Epilogue = turn % 4 == 1 ? Everything : aios_epilogue.None,
                    Aux = turn % 8 == 1,
                    Beta = turn % 4 == 2 ? 1 : 0,
                });
            }
        }
    }

    /// <summary>Every kind of strip and of stretch of k, products of one row to several panels, and batches.</summary>
    private static IEnumerable<Case> Packed(aios_dtype type, aios_dtype output)
    {
        int turn = 0;
        foreach (int n in (int[])[1, 5, 16, 31, 48, 49, 80, 97, 150])
        {
            foreach (int k in (int[])[0, 1, 3, 4, 17, 64, 193, 386, 1027])
            {
                turn++;
                yield return Make(new Problem(type, output, s_sizes[turn % s_sizes.Length], n, k)
                {
                    Packed = true,
                    TransA = turn % 2 == 0,
                    TransB = turn % 3 == 0,
                    Pad = turn % 3,
                    Batch = 1 + (turn % 2),
                    Shared = turn % 4 == 1 ? "b" : "",
                    Exact = turn % 5 != 0,
                    Beta = turn % 7 == 0 ? 1 : 0,
                    Epilogue = turn % 5 == 0 ? Everything : aios_epilogue.None,
                });
            }
        }

        yield return Make(new Problem(type, output, 130, 200, 4200) { Packed = true, Exact = true });
        yield return Make(new Problem(type, output, 3, 200, 17000) { Packed = true, TransB = true });
    }

    private static Case Make(Problem p)
    {
        if (p.Out == aios_dtype.I32)
        {
            // Integers are stored as they are.
            p = p with { Epilogue = aios_epilogue.None, Aux = false, ResidualIsC = false, Alpha = 1, Beta = p.Beta != 0 ? 1 : 0, Exact = true };
        }

        var test = new Case(p.Packed ? "aios_gemm_pack" : "aios_gemm", p.In, p.ToString()) { Launch = null! };
        int lda = (p.TransA ? p.M : p.K) + p.Pad;
        int ldb = (p.TransB ? p.K : p.N) + p.Pad;
        int ldc = p.N + p.Pad;
        int ldr = p.ResidualIsC ? ldc : p.N + (2 * p.Pad);
        int rowsA = p.TransA ? p.K : p.M;
        int rowsB = p.TransB ? p.N : p.K;
        int Stride(char name, int rows, int pitch) => p.Shared.Contains(name, StringComparison.Ordinal) ? 0 : (rows * pitch) + p.Pad;
        int strideA = Stride('a', rowsA, lda);
        int strideB = Stride('b', rowsB, ldb);
        int strideC = (p.M * ldc) + p.Pad;
        int strideR = p.ResidualIsC ? strideC : Stride('r', p.M, ldr);
        int Length(int rows, int pitch, int stride) => p.Batch == 0 ? 0 : ((p.Batch - 1) * stride) + (rows * pitch);

        // Every byte there is: a sum of products that saturates on the way would be seen.
        double[] Factor(int length) => p.In == aios_dtype.I8
            ? [.. Enumerable.Range(0, length).Select(_ => (double)test.Data.Integer(-128, 127))]
            : test.Data.Values(length, p.Exact);
        Operand a = test.Input("a", p.In, Factor(Length(rowsA, lda, strideA)));
        Operand b = test.Input("b", p.In, Factor(Length(rowsB, ldb, strideB)));
        double[]? before = p.Beta != 0 || p.ResidualIsC ? test.Data.Values(Length(p.M, ldc, strideC), p.Exact) : null;
        Operand c = test.Output("c", p.Out, Length(p.M, ldc, strideC), before);
        Operand? aux = p.Aux ? test.Output("aux", p.Out, c.Length) : null;
        bool hasBias = p.Epilogue.HasFlag(aios_epilogue.Bias);
        bool hasResidual = p.Epilogue.HasFlag(aios_epilogue.Residual);
        Operand? bias = hasBias ? test.Input("bias", p.Out, test.Data.Values(p.N, p.Exact)) : null;
        Operand? residual = hasResidual && !p.ResidualIsC ? test.Input("residual", p.Out, test.Data.Values(Length(p.M, ldr, strideR), p.Exact)) : null;

        // A sum of bytes may need more digits than binary32 has.
        c.Exact = p.Exact && !(p.In == aios_dtype.I8 && p.Out == aios_dtype.F32);
        c.Terms = Math.Max(1, p.K);
        if (aux is not null)
        {
            aux.Exact = c.Exact;
            aux.Terms = c.Terms;
        }

        var desc = new aios_gemm_desc
        {
            m = p.M,
            n = p.N,
            k = p.K,
            batch = p.Batch,
            lda = lda,
            ldb = ldb,
            ldc = ldc,
            ldr = ldr,
            stride_a = strideA,
            stride_b = strideB,
            stride_c = strideC,
            stride_r = strideR,
            trans_a = p.TransA ? 1 : 0,
            trans_b = p.TransB ? 1 : 0,
            epilogue = p.Epilogue,
            dtype = p.In,
            out_dtype = p.Out,
            alpha = p.Alpha,
            beta = p.Beta,
        };
        Operand workspace = test.Scratch(kernels =>
        {
            aios_gemm_desc d = desc;
            d.packed_b = p.Packed ? 1 : 0;
            long bytes = kernels.aios_gemm_workspace_size(&d);
            return p.Packed && bytes >= 0 ? PackedBytes(kernels, desc) + bytes : bytes;
        });
        test.Launch = (kernels, s) =>
        {
            aios_gemm_desc d = desc;
            if (p.Packed)
            {
                aios_status status = kernels.aios_gemm_pack(s, workspace.P, b.P, &d);
                d.packed_b = 1;
                d.ldb = 0;
                long packed = PackedBytes(kernels, desc);
                return status != aios_status.Ok
                    ? status
                    : kernels.aios_gemm(
                        s, c.P, aux is null ? null : aux.P, a.P, workspace.P, bias is null ? null : bias.P,
                        hasResidual ? (residual ?? c).P : null, (byte*)workspace.P + packed, workspace.Length - packed, &d);
            }

            return kernels.aios_gemm(
                s, c.P, aux is null ? null : aux.P, a.P, b.P, bias is null ? null : bias.P,
                hasResidual ? (residual ?? c).P : null, workspace.P, workspace.Length, &d);
        };
        test.Oracle = () =>
        {
            double[] row = new double[p.N];
            double[] magnitudes = new double[p.N];
            double[] residuals = hasResidual ? (residual?.Initial ?? before)! : [];
            for (int i = 0; i < p.Batch * p.M; i++)
            {
                (int batch, int m) = (i / p.M, i % p.M);
                Array.Clear(row);
                Array.Clear(magnitudes);
                for (int k = 0; k < p.K; k++)
                {
                    double x = a.Initial![(batch * strideA) + (p.TransA ? (k * lda) + m : (m * lda) + k)];
                    int at = (batch * strideB) + (p.TransB ? k : k * ldb);
                    int step = p.TransB ? ldb : 1;
                    for (int n = 0; n < p.N; n++, at += step)
                    {
                        double product = x * b.Initial![at];
                        row[n] += product;
                        magnitudes[n] += Math.Abs(product);
                    }
                }

                for (int n = 0; n < p.N; n++)
                {
                    int at = (batch * strideC) + (m * ldc) + n;
                    double old = p.Beta != 0 ? p.Beta * before![at] : 0;
                    double value = (p.Alpha * row[n]) + old + (bias?[n] ?? 0);
                    double magnitude = Math.Abs(p.Alpha * magnitudes[n]) + Math.Abs(old) + Math.Abs(bias?[n] ?? 0);
                    if (p.Epilogue.HasFlag(aios_epilogue.GeluTanh))
                    {
                        aux?.Expect(at, value, magnitude);

                        // The derivative of the function stays below 1.13.
                        magnitude *= 1.13;
                        value = Special.GeluTanh(value);
                    }

                    double added = hasResidual ? residuals[(batch * strideR) + (m * ldr) + n] : 0;
                    c.Expect(at, value + added, magnitude + Math.Abs(added));
                }
            }
        };
        return test;
    }

    /// <summary>Bytes of the packed B, rounded up so that the workspace can follow.</summary>
    private static long PackedBytes(KernelTable kernels, aios_gemm_desc desc) => (kernels.aios_gemm_packed_size(&desc) + 63) / 64 * 64;

    private static Case[] PackErrors()
    {
        Case Bad(string why, bool nullB, Func<aios_gemm_desc, aios_gemm_desc> change)
        {
            aios_gemm_desc desc = change(new aios_gemm_desc { m = 3, n = 4, k = 5, batch = 1, lda = 5, ldb = 4, ldc = 4, ldr = 4, alpha = 1 });
            return Rejects(Make(new Problem(aios_dtype.F32, aios_dtype.F32, 3, 4, 5) { Packed = true }), why, (o, k, s) =>
            {
                aios_gemm_desc d = desc;
                return k.aios_gemm_pack(s, o[3].P, nullB ? null : o[1].P, &d);
            });
        }

        return [Bad("b is null", true, d => d), Bad("n = -1", false, d => d with { n = -1 }), Bad("ldb < n", false, d => d with { ldb = 3 })];
    }

    private static Case[] Errors()
    {
        Case Bad(string why, Func<aios_gemm_desc, aios_gemm_desc> change)
        {
            aios_gemm_desc desc = change(new aios_gemm_desc { m = 3, n = 4, k = 5, batch = 1, lda = 5, ldb = 4, ldc = 4, ldr = 4, alpha = 1 });
            return Rejects(Make(new Problem(aios_dtype.F32, aios_dtype.F32, 3, 4, 5)), why, (o, k, s) =>
            {
                aios_gemm_desc d = desc;
                return k.aios_gemm(s, o[2].P, null, o[0].P, o[1].P, null, null, o[3].P, o[3].Length, &d);
            });
        }

        return
        [
            Bad("m = -1", d => d with { m = -1 }),
            Bad("n = -1", d => d with { n = -1 }),
            Bad("k = -1", d => d with { k = -1 }),
            Bad("batch = -1", d => d with { batch = -1 }),
            Bad("lda < k", d => d with { lda = 4 }),
            Bad("ldb < n", d => d with { ldb = 3 }),
            Bad("ldc < n", d => d with { ldc = 3 }),
            Bad("integers with alpha 2", d => d with { dtype = aios_dtype.I8, out_dtype = aios_dtype.I32, alpha = 2 }),
            Bad("integers with a bias", d => d with { dtype = aios_dtype.I8, out_dtype = aios_dtype.I32, epilogue = aios_epilogue.Bias }),
            Bad("bias is null", d => d with { epilogue = aios_epilogue.Bias }),
            Bad("residual is null", d => d with { epilogue = aios_epilogue.Residual }),
            ShortWorkspace(Make(new Problem(aios_dtype.F32, aios_dtype.F32, 65, 65, 65))),
            ShortWorkspace(Make(new Problem(aios_dtype.Bf16, aios_dtype.Bf16, 128, 256, 512) { TransA = true })),
        ];
    }
}

public sealed class GemmTests(ITestOutputHelper output) : ConformanceTests<GemmCases>(output);

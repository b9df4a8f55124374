using AiOs.Conformance.Harness;
using AiOs.Conformance.Oracles;
using AiOs.Interop;

namespace AiOs.Conformance.Cases;

/// <summary>
/// `aios_qmatmul` against the binary64 product of the dequantised weights with the activations, which the oracle
/// quantises by the header's rule where the format asks for it: what is left to the tolerance is binary32 summation.
/// </summary>
public sealed unsafe class QuantizedMatMulCases : CaseList
{
    // Around blocks, tiles of rows and strips of outputs.
    private static readonly int[] s_cols = [1, 31, 32, 33, 63, 64, 96, 127, 255, 256, 257, 300, 511, 512, 513, 700, 768, 1025];
    private static readonly int[] s_rows = [1, 2, 3, 5, 15, 16, 17, 31, 32, 33, 47, 48, 49, 65];
    private static readonly int[] s_counts = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 17];

    public override IReadOnlyList<string> Ops => ["aios_qmatmul"];

    public override IEnumerable<CaseGroup> Groups =>
    [
        .. from format in QuantizedWeights.All
           from type in Types
           select new CaseGroup("aios_qmatmul", $"{format} {type} sizes", () => Sizes(format, type)),
        .. from format in QuantizedWeights.All
           from type in Types
           select new CaseGroup("aios_qmatmul", $"{format} {type} large", () => Large(format, type)),
        new CaseGroup("aios_qmatmul", "activations that are not finite", NotFinite),
        new CaseGroup("aios_qmatmul", "errors", Errors),
    ];

    private sealed record Problem(aios_dtype Format, aios_dtype Type, int M, int Rows, int Cols)
    {
        public int Group { get; init; } = 32;

        public bool Zeros { get; init; }

        public bool Bias { get; init; }

        /// <summary>An element of a, and what it is replaced by.</summary>
        public (int Index, double Value)? Spoilt { get; init; }

        public override string ToString() =>
            $"{Format} {Type} m={M} rows={Rows} cols={Cols} group={Group}{(Zeros ? " zeros" : "")}{(Bias ? " bias" : "")}{(Spoilt is { } s ? $" a[{s.Index}]={s.Value}" : "")}";
    }

    public override Case Sample(string op, aios_dtype type) => Make(new Problem(aios_dtype.Q4K, type, 7, 40, 300));

    private static IEnumerable<Case> Sizes(aios_dtype format, aios_dtype type)
    {
        int turn = 0;
        foreach (int cols in s_cols)
        {
            foreach (int m in s_counts)
            {
                int rows = s_rows[turn++ % s_rows.Length];
                yield return Make(new Problem(format, type, m, rows, cols) { Group = 32 << (turn % 3), Zeros = turn % 2 == 0 && format == aios_dtype.I4, Bias = turn % 5 == 0 });
            }
        }

        foreach (int rows in s_rows)
        {
            yield return Make(new Problem(format, type, 1, rows, 544));
            yield return Make(new Problem(format, type, 6, rows, 288) { Bias = true });
        }

        yield return Make(new Problem(format, type, 0, 5, 32));
        yield return Make(new Problem(format, type, 5, 0, 32));
        yield return Make(new Problem(format, type, 5, 7, 0));
        yield return Make(new Problem(format, type, 5, 7, 0) { Bias = true });
    }

    private static IEnumerable<Case> Large(aios_dtype format, aios_dtype type) =>
    [
        Make(new Problem(format, type, 1, 515, 2080)),
        Make(new Problem(format, type, 3, 130, 1536) { Group = 128, Bias = true }),
        Make(new Problem(format, type, 70, 97, 1100) { Group = 64, Zeros = format == aios_dtype.I4 }),
        Make(new Problem(format, type, 2, 3, 70_001)),
    ];

    /// <summary>One such element makes its row of c NaN, and no other.</summary>
    private static IEnumerable<Case> NotFinite() =>
        from format in (aios_dtype[])[aios_dtype.Q80, aios_dtype.Q41, aios_dtype.Q2K, aios_dtype.I8]
        from value in (double[])[double.NaN, double.PositiveInfinity, double.NegativeInfinity]
        from m in (int[])[1, 3, 8]
        select Make(new Problem(format, aios_dtype.F32, m, 9, 300) { Spoilt = (270, value) });

    private static Case Make(Problem p)
    {
        var test = new Case("aios_qmatmul", p.Type, p.ToString()) { Launch = null! };
        QuantizedMatrix w = QuantizedMatrix.Random(test, p.Format, p.Rows, p.Cols, p.Group, p.Zeros);
        double[] values = test.Data.Reals((long)p.M * p.Cols);
        if (p.Spoilt is { } spoilt)
        {
            values[spoilt.Index] = spoilt.Value;
        }

        Operand a = test.Input("a", p.Type, values);
        Operand? bias = p.Bias ? test.Input("bias", p.Type, test.Data.Reals(p.Rows)) : null;
        Operand c = test.Output("c", p.Type, (long)p.M * p.Rows);
        c.Terms = Math.Max(1, p.Cols);
        Operand workspace = test.Scratch(kernels =>
        {
            aios_qmatrix native = w.Native;
            return kernels.aios_qmatmul_workspace_size(&native, p.M, p.Type);
        });
        test.Launch = (kernels, s) =>
        {
            aios_qmatrix native = w.Native;
            return kernels.aios_qmatmul(s, c.P, a.P, &native, bias is null ? null : bias.P, workspace.P, workspace.Length, p.M, p.Type);
        };
        test.Oracle = () =>
        {
            double[] activations = Activations(p, a.Initial!);
            for (int r = 0; r < p.Rows; r++)
            {
                (double Product, double Offset)[] row = [.. Enumerable.Range(0, p.Cols).Select(j => w.Weight(r, j))];
                for (int i = 0; i < p.M; i++)
                {
                    double sum = bias?[r] ?? 0, magnitude = Math.Abs(sum);
                    for (int j = 0; j < p.Cols; j++)
                    {
                        double x = activations[(i * p.Cols) + j];
                        sum += x * (row[j].Product + row[j].Offset);
                        magnitude += Math.Abs(x) * (Math.Abs(row[j].Product) + Math.Abs(row[j].Offset));
                    }

                    c.Expect(((long)i * p.Rows) + r, sum, magnitude);
                }
            }
        };
        return test;
    }

    /// <summary>What a becomes by the rule of the header, in binary32 where the header says so.</summary>
    private static double[] Activations(Problem p, double[] a)
    {
        if (p.Format is aios_dtype.I4 or aios_dtype.F8e4m3 or aios_dtype.F8e5m2)
        {
            return a;
        }

        double[] result = new double[a.Length];
        int length = p.Format == aios_dtype.I8 ? p.Cols : 32;
        for (int i = 0; i < p.M; i++)
        {
            for (int first = 0; first < p.Cols; first += length)
            {
                Span<double> block = a.AsSpan((i * p.Cols) + first, Math.Min(length, p.Cols - first));
                float greatest = 0;
                foreach (double x in block)
                {
                    greatest = double.IsFinite(x) ? Math.Max(greatest, Math.Abs((float)x)) : float.NaN;
                }

                float factor = 127 / greatest;
                for (int j = 0; j < block.Length; j++)
                {
                    result[(i * p.Cols) + first + j] = greatest == 0 ? 0 : (double)MathF.Round((float)block[j] * factor) * (greatest / 127);
                }
            }
        }

        return result;
    }

    private static Case[] Errors()
    {
        Case Bad(string why, Func<aios_qmatrix, aios_qmatrix> change, int m = 3, aios_status status = aios_status.InvalidArgument) =>
            Make(new Problem(aios_dtype.I4, aios_dtype.F32, 3, 4, 64)).Rejecting(why, status, (o, k, s) =>
            {
                var w = change(new aios_qmatrix { data = o[0].P, scales = o[1].P, rows = 4, cols = 64, group = 32, format = aios_dtype.I4 });
                return k.aios_qmatmul(s, o[3].P, o[2].P, &w, null, o[4].P, o[4].Length, m, aios_dtype.F32);
            });
        return
        [
            Bad("m = -1", w => w, m: -1),
            Bad("rows = -1", w => w with { rows = -1 }),
            Bad("cols = -1", w => w with { cols = -1 }),
            Bad("group = 0", w => w with { group = 0 }),
            Bad("group = 48", w => w with { group = 48 }),
            Bad("data is null", w => w with { data = null }),
            Bad("scales is null", w => w with { scales = null }),
            Bad("weights are F32", w => w with { format = aios_dtype.F32 }, status: aios_status.Unimplemented),
            .. QuantizedWeights.All.Select(format => ShortWorkspace(Make(new Problem(format, aios_dtype.F32, 9, 9, 65)))),
        ];
    }
}

public sealed class QuantizedMatMulTests(ITestOutputHelper output) : ConformanceTests<QuantizedMatMulCases>(output);

using AiOs.Conformance.Harness;
using AiOs.Conformance.Oracles;
using AiOs.Interop;

namespace AiOs.Conformance.Cases;

/// <summary>
/// What the case lists of the two normalizations share: shapes, data, flags and the backward oracle. LayerNorm is the
/// one that subtracts the mean and has a bias.
/// </summary>
public abstract unsafe class NormCases : CaseList
{
    protected const float Epsilon = 1e-5f;

    /// <summary>Optional buffers and flags of a case.</summary>
    protected sealed record Options(bool Weight = true, bool Bias = true, bool Statistics = true, bool InPlace = false, bool AccumulateDx = false, bool AccumulateParams = false, double Mean = 0)
    {
        /// <summary>All combinations in turn.</summary>
        public static Options Turn(int i) => new(i % 2 == 0, i / 2 % 2 == 0, i % 3 != 1, i % 5 == 2, i % 3 == 2, i / 3 % 2 == 1);
    }

    protected abstract bool Centred { get; }

    protected abstract string Forwards { get; }

    protected abstract string Backwards { get; }

    public override IReadOnlyList<string> Ops => [Forwards, Backwards];

    public override IEnumerable<CaseGroup> Groups =>
    [
        .. from op in Ops
           from type in Types
           select new CaseGroup(op, $"{type}", () => Family(op, type)),
        new CaseGroup(Forwards, "errors", ForwardErrors),
        new CaseGroup(Backwards, "errors", BackwardErrors),
    ];

    public override Case Sample(string op, aios_dtype type) => Make(op, type, 64, 257, new Options());

    protected abstract Launcher LaunchForward(Operand output, Operand? mean, Operand? rstd, Operand x, Operand? weight, Operand? bias, int rows, int cols, aios_dtype type);

    protected abstract Launcher LaunchBackward(
        Operand dx, Operand? dweight, Operand? dbias, Operand dout, Operand x, Operand? weight, Operand? mean, Operand rstd, Operand workspace,
        int rows, int cols, Options options, aios_dtype type);

    protected abstract Case[] ForwardErrors();

    protected abstract Case[] BackwardErrors();

    protected Case Make(string op, aios_dtype type, int rows, int cols, Options options) =>
        op == Forwards ? Forward(type, rows, cols, options) : Backward(type, rows, cols, options);

    private IEnumerable<Case> Family(string op, aios_dtype type)
    {
        for (int cols = 1; cols <= 256; cols++)
        {
            yield return Make(op, type, 1 + (cols % 4), cols, Options.Turn(cols));
        }

        int turn = 0;
        foreach ((int rows, int cols) in ((int, int)[])[(0, 5), (1, 1), (300, 3), (129, 33), (65, 768), (7, 1025), (3, 5000), (1000, 64)])
        {
            for (int i = 0; i < 3; i++)
            {
                yield return Make(op, type, rows, cols, Options.Turn(turn++));
            }
        }

        // A mean much greater than the deviation: a one-pass variance would lose all its digits.
        yield return Make(op, type, 5, 200, new Options(Mean: 100));

        // More than the caches hold.
        yield return Make(op, type, type == aios_dtype.F32 ? 8300 : 16600, 1024, new Options());
    }

    private Case Forward(aios_dtype type, int rows, int cols, Options options)
    {
        var test = new Case(Forwards, type, $"rows={rows} cols={cols} {options}") { Launch = null! };
        double[] values = test.Data.Reals((long)rows * cols, options.Mean - 2, options.Mean + 2);
        double[] x = [.. values.Select(v => Storage.Round(type, v))];
        Operand? input = options.InPlace ? null : test.Input("x", type, values);
        Operand output = test.Output("out", type, values.Length, options.InPlace ? values : null);
        Operand? weight = options.Weight ? test.Input("weight", type, test.Data.Reals(cols)) : null;
        Operand? bias = options.Bias && Centred ? test.Input("bias", type, test.Data.Reals(cols)) : null;
        Operand? mean = options.Statistics && Centred ? test.Output("mean", aios_dtype.F32, rows) : null;
        Operand? rstd = options.Statistics ? test.Output("rstd", aios_dtype.F32, rows) : null;
        output.Terms = cols;
        test.Launch = LaunchForward(output, mean, rstd, input ?? output, weight, bias, rows, cols, type);
        test.Oracle = () =>
        {
            for (int r = 0; r < rows; r++)
            {
                ReadOnlySpan<double> row = x.AsSpan(r * cols, cols);
                (double centre, double scale, double magnitude) = Centred ? Norms.Moments(row, Epsilon) : (0, Norms.RootMeanSquare(row, Epsilon), 0);

                // The error of the mean enters every difference, and so the deviation.
                double spread = scale * magnitude;
                mean?.Expect(r, centre, magnitude);
                rstd?.Expect(r, scale, scale * (1 + spread));
                for (int c = 0; c < cols; c++)
                {
                    double w = weight?[c] ?? 1;
                    double normal = (row[c] - centre) * scale;
                    double error = (scale * (Math.Abs(row[c]) + magnitude)) + (Math.Abs(normal) * spread);
                    output.Expect((r * cols) + c, (normal * w) + (bias?[c] ?? 0), (error * Math.Abs(w)) + Math.Abs(bias?[c] ?? 0));
                }
            }
        };
        return test;
    }

    private Case Backward(aios_dtype type, int rows, int cols, Options options)
    {
        var test = new Case(Backwards, type, $"rows={rows} cols={cols} {options}") { Launch = null! };
        Operand dout = test.Input("dout", type, test.Data.Reals((long)rows * cols));
        Operand x = test.Input("x", type, test.Data.Reals((long)rows * cols, options.Mean - 2, options.Mean + 2));
        Operand? weight = options.Weight ? test.Input("weight", type, test.Data.Reals(cols)) : null;
        double[] means = new double[rows];
        double[] scales = new double[rows];
        for (int r = 0; r < rows; r++)
        {
            ReadOnlySpan<double> row = x.Initial.AsSpan(r * cols, cols);
            (means[r], scales[r], _) = Centred ? Norms.Moments(row, Epsilon) : (0, Norms.RootMeanSquare(row, Epsilon), 0);
        }

        Operand? mean = Centred ? test.Input("mean", aios_dtype.F32, means) : null;
        Operand rstd = test.Input("rstd", aios_dtype.F32, scales);
        double[]? Before(long count, bool accumulate) => accumulate ? test.Data.Reals(count) : null;
        double[]? beforeX = Before((long)rows * cols, options.AccumulateDx);
        double[]? beforeWeight = Before(cols, options.AccumulateParams);
        double[]? beforeBias = Before(cols, options.AccumulateParams);
        Operand dx = test.Output("dx", type, rows * cols, beforeX);
        Operand? dweight = options.Weight || options.Bias ? test.Output("dweight", type, cols, beforeWeight) : null;
        Operand? dbias = options.Bias && Centred ? test.Output("dbias", type, cols, beforeBias) : null;
        Operand workspace = test.Scratch(k => k.aios_norm_backward_workspace_size(rows, cols, type));
        test.Launch = LaunchBackward(dx, dweight, dbias, dout, x, weight, mean, rstd, workspace, rows, cols, options, type);
        dx.Terms = cols;
        foreach (Operand? parameter in (Operand?[])[dweight, dbias])
        {
            parameter?.Terms = Math.Max(1, rows);
        }

        test.Oracle = () =>
        {
            double[] sums = new double[4 * cols];
            double[] g = new double[cols];
            double[] xhat = new double[cols];
            double[] xhatMagnitude = new double[cols];
            for (int r = 0; r < rows; r++)
            {
                for (int c = 0; c < cols; c++)
                {
                    int i = (r * cols) + c;
                    double centre = mean?[r] ?? 0;
                    g[c] = dout[i] * (weight?[c] ?? 1);
                    xhat[c] = (x[i] - centre) * rstd[r];
                    xhatMagnitude[c] = (Math.Abs(x[i]) + Math.Abs(centre)) * rstd[r];
                    sums[c] += dout[i] * xhat[c];
                    sums[cols + c] += Math.Abs(dout[i]) * xhatMagnitude[c];
                    sums[(2 * cols) + c] += dout[i];
                    sums[(3 * cols) + c] += Math.Abs(dout[i]);
                }

                (double Value, double Magnitude)[] gradient = Norms.Backward(g, xhat, xhatMagnitude, rstd[r], Centred);
                for (int c = 0; c < cols; c++)
                {
                    double old = beforeX?[(r * cols) + c] ?? 0;
                    dx.Expect((r * cols) + c, old + gradient[c].Value, Math.Abs(old) + gradient[c].Magnitude);
                }
            }

            for (int c = 0; c < cols; c++)
            {
                double oldWeight = beforeWeight?[c] ?? 0;
                double oldBias = beforeBias?[c] ?? 0;
                dweight?.Expect(c, oldWeight + sums[c], Math.Abs(oldWeight) + sums[cols + c]);
                dbias?.Expect(c, oldBias + sums[(2 * cols) + c], Math.Abs(oldBias) + sums[(3 * cols) + c]);
            }
        };
        return test;
    }
}

/// <summary>`aios_layernorm` and `aios_layernorm_backward`.</summary>
public sealed unsafe class LayerNormCases : NormCases
{
    protected override bool Centred => true;

    protected override string Forwards => "aios_layernorm";

    protected override string Backwards => "aios_layernorm_backward";

    protected override Launcher LaunchForward(Operand output, Operand? mean, Operand? rstd, Operand x, Operand? weight, Operand? bias, int rows, int cols, aios_dtype type) =>
        (k, s) => k.aios_layernorm(
            s, output.P, mean is null ? null : mean.F, rstd is null ? null : rstd.F, x.P, weight is null ? null : weight.P, bias is null ? null : bias.P,
            rows, cols, Epsilon, type);

    protected override Launcher LaunchBackward(
        Operand dx, Operand? dweight, Operand? dbias, Operand dout, Operand x, Operand? weight, Operand? mean, Operand rstd, Operand workspace,
        int rows, int cols, Options options, aios_dtype type) =>
        (k, s) => k.aios_layernorm_backward(
            s, dx.P, dweight is null ? null : dweight.P, dbias is null ? null : dbias.P, dout.P, x.P, weight is null ? null : weight.P, mean!.F, rstd.F,
            workspace.P, workspace.Length, rows, cols, options.AccumulateDx ? 1 : 0, options.AccumulateParams ? 1 : 0, type);

    protected override Case[] ForwardErrors() =>
    [
        Rejects(Sample(Forwards, aios_dtype.F32), "rows = -1", (c, k, s) => k.aios_layernorm(s, c[1].P, null, null, c[0].P, null, null, -1, 4, Epsilon, aios_dtype.F32)),
        Rejects(Sample(Forwards, aios_dtype.F32), "cols = -1", (c, k, s) => k.aios_layernorm(s, c[1].P, null, null, c[0].P, null, null, 4, -1, Epsilon, aios_dtype.F32)),
    ];

    protected override Case[] BackwardErrors() =>
    [
        Rejects(Sample(Backwards, aios_dtype.F32), "rows = -1", (c, k, s) => k.aios_layernorm_backward(
            s, c[5].P, null, null, c[0].P, c[1].P, null, c[3].F, c[4].F, c[^1].P, c[^1].Length, -1, 4, 0, 0, aios_dtype.F32)),
        ShortWorkspace(Sample(Backwards, aios_dtype.F32)),
    ];
}

/// <summary>`aios_rmsnorm` and `aios_rmsnorm_backward`.</summary>
public sealed unsafe class RmsNormCases : NormCases
{
    protected override bool Centred => false;

    protected override string Forwards => "aios_rmsnorm";

    protected override string Backwards => "aios_rmsnorm_backward";

    protected override Launcher LaunchForward(Operand output, Operand? mean, Operand? rstd, Operand x, Operand? weight, Operand? bias, int rows, int cols, aios_dtype type) =>
        (k, s) => k.aios_rmsnorm(s, output.P, rstd is null ? null : rstd.F, x.P, weight is null ? null : weight.P, rows, cols, Epsilon, type);

    protected override Launcher LaunchBackward(
        Operand dx, Operand? dweight, Operand? dbias, Operand dout, Operand x, Operand? weight, Operand? mean, Operand rstd, Operand workspace,
        int rows, int cols, Options options, aios_dtype type) =>
        (k, s) => k.aios_rmsnorm_backward(
            s, dx.P, dweight is null ? null : dweight.P, dout.P, x.P, weight is null ? null : weight.P, rstd.F,
            workspace.P, workspace.Length, rows, cols, options.AccumulateDx ? 1 : 0, options.AccumulateParams ? 1 : 0, type);

    protected override Case[] ForwardErrors() =>
    [
        Rejects(Sample(Forwards, aios_dtype.F32), "rows = -1", (c, k, s) => k.aios_rmsnorm(s, c[1].P, null, c[0].P, null, -1, 4, Epsilon, aios_dtype.F32)),
        Rejects(Sample(Forwards, aios_dtype.F32), "cols = -1", (c, k, s) => k.aios_rmsnorm(s, c[1].P, null, c[0].P, null, 4, -1, Epsilon, aios_dtype.F32)),
    ];

    protected override Case[] BackwardErrors() =>
    [
        Rejects(Sample(Backwards, aios_dtype.F32), "rows = -1", (c, k, s) => k.aios_rmsnorm_backward(
            s, c[4].P, null, c[0].P, c[1].P, null, c[3].F, c[^1].P, c[^1].Length, -1, 4, 0, 0, aios_dtype.F32)),
        ShortWorkspace(Sample(Backwards, aios_dtype.F32)),
    ];
}

public sealed class LayerNormTests(ITestOutputHelper output) : ConformanceTests<LayerNormCases>(output);

public sealed class RmsNormTests(ITestOutputHelper output) : ConformanceTests<RmsNormCases>(output);

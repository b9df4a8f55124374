using AiOs.Conformance.Harness;
using AiOs.Conformance.Oracles;
using AiOs.Interop;

namespace AiOs.Conformance.Cases;

/// <summary>`aios_unary`, `aios_unary_backward` and `aios_binary` over every function, shape and kind of stride.</summary>
public sealed unsafe class ElementwiseCases : CaseList
{
    private static readonly double[] s_special =
    [
        0, -0.0, 1, -1, 0.5, 1e-30, -1e-30, 1e4, -1e4, 88, -87, 89, -104, 1e18, -1e18, 3e38, -3e38,
        double.PositiveInfinity, double.NegativeInfinity, double.NaN,
    ];

    public override IReadOnlyList<string> Ops => ["aios_unary", "aios_unary_backward", "aios_binary"];

    public override IEnumerable<CaseGroup> Groups =>
    [
        .. from op in Enum.GetValues<aios_unary_op>()
           from type in Types
           select new CaseGroup("aios_unary", $"{op} {type}", () => Functions(type, (d, layout) => Unary(type, op, d, layout)).Append(UnarySpecial(type, op))),
        .. from op in Enum.GetValues<aios_unary_op>()
           from type in Types
           select new CaseGroup("aios_unary_backward", $"{op} {type}", () => Functions(type, (d, layout) => UnaryBackward(type, op, d, layout))),
        .. from op in Enum.GetValues<aios_binary_op>()
           from type in Types
           select new CaseGroup("aios_binary", $"{op} {type}", () => Functions(type, (d, layout) => Binary(type, op, d, layout)).Append(BinarySpecial(type, op))),
        new CaseGroup("aios_unary", "errors", UnaryErrors),
        new CaseGroup("aios_unary_backward", "errors", UnaryBackwardErrors),
        new CaseGroup("aios_binary", "errors", BinaryErrors),
    ];

    public override Case Sample(string op, aios_dtype type)
    {
        Layout layout = Layout.Same(View.Dense(33, 65));
        return op switch
        {
            "aios_unary" => Unary(type, aios_unary_op.GeluTanh, DataKind.Reals, layout),
            "aios_unary_backward" => UnaryBackward(type, aios_unary_op.GeluTanh, DataKind.Reals, layout),
            _ => Binary(type, aios_binary_op.Mul, DataKind.Reals, layout),
        };
    }

    private enum DataKind
    {
        Reals,
        Integers,
    }

    /// <summary>Where the buffers of a case lie; <paramref name="InPlace"/>: the output is input number 0 or 1.</summary>
    private sealed record Layout(View Out, View A, View B, int? InPlace = null)
    {
        public static Layout Same(View view, int? inPlace = null) => new(view, view, view, inPlace);

        public override string ToString() => $"out{Out} a{A} b{B}{(InPlace is { } input ? $" in place of input {input}" : "")}";
    }

    private static IEnumerable<Case> Functions(aios_dtype type, Func<DataKind, Layout, Case> make)
    {
        for (int n = 0; n <= 256; n++)
        {
            yield return make((n & 1) == 0 ? DataKind.Reals : DataKind.Integers, Layout.Same(View.Dense(n), n % 5 == 3 ? 0 : null));
        }

        foreach (Layout layout in Layouts(type))
        {
            yield return make(DataKind.Integers, layout);
            yield return make(DataKind.Reals, layout);
        }

        yield return make(DataKind.Reals, Layout.Same(View.Dense(100_003)));
        yield return make(DataKind.Integers, new Layout(View.Dense(129, 301), View.Make([129, 301], [1, 0], 3, [], []), View.Make([129, 301], [0, 1], 0, [], [0])));
    }

    /// <summary>Ranks 0 to 8, permutations, gaps, broadcasting and negative strides; drawn once for all functions.</summary>
    private static IEnumerable<Layout> Layouts(aios_dtype type)
    {
        yield return Layout.Same(View.Dense());
        var draw = new DataSource("layouts", type, "");
        for (int i = 0; i < 48; i++)
        {
            int rank = 1 + (i % 8);
            int limit = rank switch { 1 => 200, 2 => 40, 3 => 12, 4 => 6, _ => 3 };
            long[] shape = [.. Enumerable.Range(0, rank).Select(_ => (long)draw.Integer(1, limit))];
            if (i == 40)
            {
                shape[draw.Integer(0, rank - 1)] = 0;
            }

            int[] Some(int percent) => [.. Enumerable.Range(0, rank).Where(_ => draw.Integer(0, 99) < percent)];
            int[] Order()
            {
                int[] order = [.. Enumerable.Range(0, rank)];
                for (int d = rank - 1; d > 0; d--)
                {
                    int other = draw.Integer(0, d);
                    (order[d], order[other]) = (order[other], order[d]);
                }

                return order;
            }

            View Random(bool output)
            {
                int[] broadcast = output ? [] : Some(25);
                return View.Make(shape, i % 3 == 0 ? [.. Enumerable.Range(0, rank)] : Order(), draw.Integer(0, 2), output ? [] : [.. Some(25).Except(broadcast)], broadcast);
            }

            yield return new Layout(Random(output: true), Random(output: false), Random(output: false));
            if (i % 4 == 0)
            {
                yield return Layout.Same(Random(output: true), i / 4 % 2);
            }
        }
    }

    private static Case Unary(aios_dtype type, aios_unary_op op, DataKind kind, Layout layout)
    {
        UnaryFunction f = UnaryFunctions.Of(op);
        var test = new Case("aios_unary", type, $"{op} {kind} out{layout.Out} a{layout.A}{(layout.InPlace == 0 ? " in place" : "")}") { Launch = null! };
        double[] values = Draw(test, f, kind, layout.A.Length);
        double[] a = [.. values.Select(x => Storage.Round(type, x))];
        bool inPlace = layout.InPlace == 0;
        Operand? input = inPlace ? null : test.Input("a", type, values);
        Operand output = test.Output("out", type, layout.Out.Length, inPlace ? values : null);
        output.Exact = op == aios_unary_op.Copy || (kind == DataKind.Integers && f.ExactOnIntegers);
        aios_elementwise_desc desc = Describe(type, layout.Out, layout.A, null);
        test.Launch = (k, s) =>
        {
            aios_elementwise_desc d = desc;
            return k.aios_unary(s, output.At(layout.Out.Start), (input ?? output).At(layout.A.Start), op, &d);
        };
        test.Oracle = () => Each(layout.Out, layout.A, null, (o, i, _) => output.Expect(o, f.Value(a[i]), f.Magnitude?.Invoke(a[i]) ?? double.NaN));
        return test;
    }

    /// <summary>Zeros, huge and tiny numbers, infinities and NaN where the formula says what comes out.</summary>
    private static Case UnarySpecial(aios_dtype type, aios_unary_op op)
    {
        UnaryFunction f = UnaryFunctions.Of(op);
        double[] values = [.. s_special.Where(x => (f.DefinedAtInfinity || !double.IsInfinity(x)) && !(op == aios_unary_op.Relu && double.IsNaN(x)))];
        var test = new Case("aios_unary", type, $"{op} special values") { Launch = null! };
        Operand input = test.Input("a", type, values);
        Operand output = test.Output("out", type, values.Length);
        aios_elementwise_desc desc = Describe(type, View.Dense(values.Length), View.Dense(values.Length), null);
        test.Launch = (k, s) =>
        {
            aios_elementwise_desc d = desc;
            return k.aios_unary(s, output.P, input.P, op, &d);
        };
        test.Oracle = () =>
        {
            for (int i = 0; i < values.Length; i++)
            {
                double magnitude = f.Magnitude?.Invoke(input[i]) ?? double.NaN;
                output.Expect(i, f.Value(input[i]), double.IsFinite(magnitude) ? magnitude : double.NaN);
            }
        };
        return test;
    }

    private static Case UnaryBackward(aios_dtype type, aios_unary_op op, DataKind kind, Layout layout)
    {
        UnaryFunction f = UnaryFunctions.Of(op);
        bool inPlace = layout.InPlace is not null;
        var test = new Case("aios_unary_backward", type, $"{op} {kind} {layout}") { Launch = null! };
        double[] values = Draw(test, f, kind, layout.A.Length);
        Operand a = test.Input("a", type, values);
        double[] gradient = test.Data.Values(layout.B.Length, kind == DataKind.Integers);
        double[] rounded = [.. gradient.Select(x => Storage.Round(type, x))];
        Operand? dout = inPlace ? null : test.Input("dout", type, gradient);
        Operand da = test.Output("da", type, layout.Out.Length, inPlace ? gradient : null);
        da.Exact = kind == DataKind.Integers && f.ExactOnIntegers;
        aios_elementwise_desc desc = Describe(type, layout.Out, layout.A, layout.B);
        test.Launch = (k, s) =>
        {
            aios_elementwise_desc d = desc;
            return k.aios_unary_backward(s, da.At(layout.Out.Start), (dout ?? da).At(layout.B.Start), a.At(layout.A.Start), op, &d);
        };
        test.Oracle = () => Each(layout.Out, layout.A, layout.B, (o, i, j) =>
            da.Expect(o, rounded[j] * f.Derivative(a[i]), Math.Abs(rounded[j]) * (f.DerivativeMagnitude?.Invoke(a[i]) ?? Math.Abs(f.Derivative(a[i])))));
        return test;
    }

    private static Case Binary(aios_dtype type, aios_binary_op op, DataKind kind, Layout layout)
    {
        bool exact = kind == DataKind.Integers && op != aios_binary_op.Div;
        var test = new Case("aios_binary", type, $"{op} {kind} {layout}") { Launch = null! };
        double[] left = test.Data.Values(layout.A.Length, exact);
        double[] right = op == aios_binary_op.Div ? test.Data.Reals(layout.B.Length, 0.25, 4) : test.Data.Values(layout.B.Length, exact);
        double[] a = [.. left.Select(x => Storage.Round(type, x))];
        double[] b = [.. right.Select(x => Storage.Round(type, x))];
        Operand? first = layout.InPlace == 0 ? null : test.Input("a", type, left);
        Operand? second = layout.InPlace == 1 ? null : test.Input("b", type, right);
        Operand output = test.Output("out", type, layout.Out.Length, layout.InPlace switch { 0 => left, 1 => right, _ => null });
        output.Exact = exact || op >= aios_binary_op.Maximum;
        aios_elementwise_desc desc = Describe(type, layout.Out, layout.A, layout.B);
        test.Launch = (k, s) =>
        {
            aios_elementwise_desc d = desc;
            return k.aios_binary(s, output.At(layout.Out.Start), (first ?? output).At(layout.A.Start), (second ?? output).At(layout.B.Start), op, &d);
        };
        test.Oracle = () => Each(layout.Out, layout.A, layout.B, (o, i, j) =>
            output.Expect(o, Value(op, a[i], b[j]), op <= aios_binary_op.Sub ? Math.Abs(a[i]) + Math.Abs(b[j]) : double.NaN));
        return test;
    }

    /// <summary>Every pair of special values.</summary>
    private static Case BinarySpecial(aios_dtype type, aios_binary_op op)
    {
        int n = s_special.Length;
        var test = new Case("aios_binary", type, $"{op} special values") { Launch = null! };
        Operand a = test.Input("a", type, [.. s_special]);
        Operand b = test.Input("b", type, [.. s_special]);
        Operand output = test.Output("out", type, n * n);
        aios_elementwise_desc desc = Describe(type, View.Dense(n, n), View.Make([n, n], [0, 1], 0, [], [1]), View.Make([n, n], [0, 1], 0, [], [0]));
        test.Launch = (k, s) =>
        {
            aios_elementwise_desc d = desc;
            return k.aios_binary(s, output.P, a.P, b.P, op, &d);
        };
        test.Oracle = () =>
        {
            for (int i = 0; i < n * n; i++)
            {
                output.Expect(i, Value(op, a[i / n], b[i % n]));
            }
        };
        return test;
    }

    private static double Value(aios_binary_op op, double a, double b) => op switch
    {
        aios_binary_op.Add => a + b,
        aios_binary_op.Sub => a - b,
        aios_binary_op.Mul => a * b,
        aios_binary_op.Div => a / b,
        aios_binary_op.Maximum => Math.Max(a, b),
        aios_binary_op.Minimum => Math.Min(a, b),
        aios_binary_op.GreaterEqual => a >= b ? 1 : 0,
        aios_binary_op.Less => a < b ? 1 : 0,
        _ => throw new ArgumentOutOfRangeException(nameof(op), op, "has no oracle: add it here"),
    };

    private static double[] Draw(Case test, UnaryFunction f, DataKind kind, int length) =>
        kind == DataKind.Integers && f.ExactOnIntegers ? test.Data.Integers(length) : test.Data.Reals(length, f.Low, f.High);

    private static void Each(View output, View a, View? b, Action<long, long, long> visit)
    {
        long[] o = output.Offsets();
        long[] i = a.Offsets();
        long[] j = b?.Offsets() ?? i;
        for (int at = 0; at < o.Length; at++)
        {
            visit(o[at], i[at], j[at]);
        }
    }

    private static aios_elementwise_desc Describe(aios_dtype type, View output, View a, View? b)
    {
        aios_elementwise_desc d = default;
        d.rank = output.Shape.Length;
        d.dtype = type;
        d.alpha = UnaryFunctions.Alpha;
        d.beta = UnaryFunctions.Beta;
        for (int i = 0; i < output.Shape.Length; i++)
        {
            d.shape[i] = output.Shape[i];
            d.out_stride[i] = output.Strides[i];
            d.a_stride[i] = a.Strides[i];
            d.b_stride[i] = b?.Strides[i] ?? 0;
        }

        return d;
    }

    private static Case[] UnaryErrors() =>
    [
        .. BadDescriptors().Select(bad => Rejects(
            Unary(aios_dtype.F32, aios_unary_op.Exp, DataKind.Reals, Layout.Same(View.Dense(4))), bad.Why, (c, k, s) =>
            {
                aios_elementwise_desc d = bad.Desc;
                return k.aios_unary(s, c[1].P, c[0].P, aios_unary_op.Exp, &d);
            })),
    ];

    private static Case[] UnaryBackwardErrors() =>
    [
        .. BadDescriptors().Select(bad => Rejects(
            UnaryBackward(aios_dtype.F32, aios_unary_op.Exp, DataKind.Reals, Layout.Same(View.Dense(4))), bad.Why, (c, k, s) =>
            {
                aios_elementwise_desc d = bad.Desc;
                return k.aios_unary_backward(s, c[2].P, c[1].P, c[0].P, aios_unary_op.Exp, &d);
            })),
    ];

    private static Case[] BinaryErrors() =>
    [
        .. BadDescriptors().Select(bad => Rejects(
            Binary(aios_dtype.F32, aios_binary_op.Add, DataKind.Reals, Layout.Same(View.Dense(4))), bad.Why, (c, k, s) =>
            {
                aios_elementwise_desc d = bad.Desc;
                return k.aios_binary(s, c[2].P, c[0].P, c[1].P, aios_binary_op.Add, &d);
            })),
    ];

    private static (string Why, aios_elementwise_desc Desc)[] BadDescriptors()
    {
        aios_elementwise_desc good = Describe(aios_dtype.F32, View.Dense(4), View.Dense(4), View.Dense(4));
        aios_elementwise_desc negative = good;
        negative.rank = -1;
        aios_elementwise_desc high = good;
        high.rank = 9;
        aios_elementwise_desc extent = good;
        extent.shape[0] = -4;
        return [("rank -1", negative), ("rank 9", high), ("extent -4", extent)];
    }
}

public sealed class ElementwiseTests(ITestOutputHelper output) : ConformanceTests<ElementwiseCases>(output);

using AiOs.Conformance.Harness;
using AiOs.Conformance.Oracles;
using AiOs.Interop;

namespace AiOs.Conformance.Cases;

/// <summary>
/// `aios_dequantize` of random bytes, and `aios_quantize` of matrices that a format represents exactly, so that every
/// byte is determined. How well the searches do on other matrices is tested with `QuantizedTensor`.
/// </summary>
public sealed unsafe class QuantizeCases : CaseList
{
    private static readonly int[] s_cols = [1, 2, 15, 16, 17, 31, 32, 33, 64, 100, 255, 256, 257, 511, 512, 513, 1000];

    public override IReadOnlyList<string> Ops => ["aios_dequantize", "aios_quantize"];

    public override IEnumerable<CaseGroup> Groups =>
    [
        .. from format in QuantizedWeights.All
           from type in Types
           select new CaseGroup("aios_dequantize", $"{format} {type}", () => Dequantizations(format, type)),
        .. from format in QuantizedWeights.All
           from type in Types
           select new CaseGroup("aios_quantize", $"{format} {type}", () => Quantizations(format, type)),
        new CaseGroup("aios_dequantize", "errors", () => Errors((k, s, w, o) => k.aios_dequantize(s, o, w, aios_dtype.F32))),
        new CaseGroup("aios_quantize", "errors", () => Errors((k, s, w, o) => k.aios_quantize(s, w, o, aios_dtype.F32))),
    ];

    public override Case Sample(string op, aios_dtype type) => op switch
    {
        "aios_dequantize" => Dequantize(aios_dtype.Q4K, type, 3, 300),
        _ => Quantize(aios_dtype.Q4K, type, 3, 2),
    };

    private static IEnumerable<Case> Dequantizations(aios_dtype format, aios_dtype type)
    {
        foreach (int cols in s_cols)
        {
            yield return Dequantize(format, type, 1 + (cols % 3), cols, 32 << (cols % 3), zeros: cols % 2 == 0 && format == aios_dtype.I4);
        }

        yield return Dequantize(format, type, 0, 32);
        yield return Dequantize(format, type, 3, 0);
        yield return Dequantize(format, type, 300, 520);
    }

    private static Case Dequantize(aios_dtype format, aios_dtype type, int rows, int cols, int group = 32, bool zeros = false)
    {
        var test = new Case("aios_dequantize", type, $"{format} rows={rows} cols={cols} group={group} zeros={zeros}") { Launch = null! };
        QuantizedMatrix w = QuantizedMatrix.Random(test, format, rows, cols, group, zeros);
        Operand output = test.Output("out", type, (long)rows * cols);
        test.Launch = (k, s) =>
        {
            aios_qmatrix native = w.Native;
            return k.aios_dequantize(s, output.P, &native, type);
        };
        test.Oracle = () =>
        {
            for (int i = 0; i < rows * cols; i++)
            {
                (double product, double offset) = w.Weight(i / cols, i % cols);
                output.Expect(i, product + offset, Math.Abs(product) + Math.Abs(offset));
            }
        };
        return test;
    }

    private static IEnumerable<Case> Quantizations(aios_dtype format, aios_dtype type)
    {
        for (int blocks = 1; blocks <= 5; blocks++)
        {
            yield return Quantize(format, type, 1, blocks);
            yield return Quantize(format, type, 7, blocks);
        }

        yield return Quantize(format, type, 0, 1);
        yield return Quantize(format, type, 60, 12);
    }

    /// <summary>A matrix of whole blocks, made of codes; the op must find exactly these codes and scales.</summary>
    private static Case Quantize(aios_dtype format, aios_dtype type, int rows, int blocks)
    {
        bool zeros = format == aios_dtype.I4 && blocks % 2 == 0;
        var test = new Case("aios_quantize", type, $"{format} rows={rows} blocks={blocks} zeros={zeros}") { Launch = null! };
        (int length, _) = QuantizedWeights.Block(format);
        length = Math.Max(length, 32);
        int cols = blocks * length;
        (byte[] bytes, double[] scales, double[] points) = ExactCodes.Make(test.Data, format, rows, blocks, zeros);
        if (type == aios_dtype.Bf16 && length == 256)
        {
            // The products of codes and scales have more bits than a bfloat16, so these are zeros.
            ExactCodes.Clear(format, bytes);
        }

        double[] values = ExactCodes.Weights(format, bytes, scales, points, rows, cols);
        Operand a = test.Input("a", type, values);
        QuantizedMatrix w = QuantizedMatrix.Empty(test, format, rows, cols, 32, zeros);
        test.Launch = (k, s) =>
        {
            aios_qmatrix native = w.Native;
            return k.aios_quantize(s, &native, a.P, type);
        };
        test.Oracle = () =>
        {
            ExpectAll(w.Data, Array.ConvertAll(bytes, x => (double)x));
            ExpectAll(w.Scales, scales);
            ExpectAll(w.Zeros, points);
        };
        return test;
    }

    private static void ExpectAll(Operand? operand, double[] values)
    {
        for (int i = 0; i < (operand?.Length ?? 0); i++)
        {
            operand!.Exact = true;
            operand.Expect(i, values[i]);
        }
    }

    private delegate aios_status Call(KernelTable kernels, aios_stream stream, aios_qmatrix* matrix, void* dense);

    private static Case[] Errors(Call call)
    {
        Case Bad(string why, Func<aios_qmatrix, aios_qmatrix> change, aios_status status = aios_status.InvalidArgument) =>
            Dequantize(aios_dtype.I4, aios_dtype.F32, 3, 64).Rejecting(why, status, (o, k, s) =>
            {
                var w = change(new aios_qmatrix { data = o[0].P, scales = o[1].P, rows = 3, cols = 64, group = 32, format = aios_dtype.I4 });
                return call(k, s, &w, o[2].P);
            });
        return
        [
            Bad("rows = -1", w => w with { rows = -1 }),
            Bad("cols = -1", w => w with { cols = -1 }),
            Bad("group = 33", w => w with { group = 33 }),
            Bad("data is null", w => w with { data = null }),
            Bad("format is BF16", w => w with { format = aios_dtype.Bf16 }, aios_status.Unimplemented),
        ];
    }
}

public sealed class QuantizeTests(ITestOutputHelper output) : ConformanceTests<QuantizeCases>(output);

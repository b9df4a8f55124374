using AiOs.Conformance.Harness;
using AiOs.Conformance.Oracles;
using AiOs.Interop;

namespace AiOs.Conformance.Cases;

/// <summary>`aios_attention` and `aios_attention_backward`.</summary>
public sealed unsafe class AttentionCases : CaseList
{
    private enum Memory
    {
        /// <summary>[batch][head][position][dim], dense.</summary>
        HeadMajor,

        /// <summary>[batch][position][head][dim], dense.</summary>
        PositionMajor,

        /// <summary>One buffer of [batch][position][q heads, k heads, v heads][dim]; needs equal lengths.</summary>
        Packed,

        /// <summary>Head-major with unused elements after each row, head and sequence.</summary>
        Gaps,
    }

    private sealed record Problem(aios_dtype Type, int Batch, int Heads, int KvHeads, int QLen, int KvLen, int Dim, bool Causal, Memory Memory = Memory.HeadMajor, bool Lse = true, double Range = 1)
    {
        public float Scale => 1 / MathF.Sqrt(Dim);
    }

    /// <summary>A [batch][head][position][dim] tensor inside a buffer.</summary>
    private readonly record struct Tensor(int Start, int Batch, int Head, int Position)
    {
        public int At(int b, int h, int t, int d) => Start + (b * Batch) + (h * Head) + (t * Position) + d;
    }

    public override IReadOnlyList<string> Ops => ["aios_attention", "aios_attention_backward"];

    public override IEnumerable<CaseGroup> Groups =>
    [
        .. from op in Ops
           from type in Types
           select new CaseGroup(op, $"{type} lengths", () => Lengths(type).Select(p => Make(op, p))),
        .. from op in Ops
           from type in Types
           select new CaseGroup(op, $"{type} head dimensions", () => Dimensions(type).Select(p => Make(op, p))),
        .. from op in Ops
           from type in Types
           select new CaseGroup(op, $"{type} heads and layouts", () => Layouts(type).Select(p => Make(op, p))),
        .. from op in Ops
           select new CaseGroup(op, "errors", () => Errors(op)),
    ];

    public override Case Sample(string op, aios_dtype type) => Make(op, new Problem(type, 2, 4, 2, 33, 33, 64, Causal: true));

    private static IEnumerable<Problem> Lengths(aios_dtype type)
    {
        for (int length = 0; length <= 40; length++)
        {
            yield return new Problem(type, 1, 2, 2, length, length, 8, Causal: true);
            yield return new Problem(type, 1, 1, 1, length, Math.Max(1, length), 5, Causal: false, Lse: length % 2 == 0);
        }

        foreach ((int q, int kv) in ((int, int)[])[(1, 1), (1, 2), (1, 65), (1, 300), (3, 64), (16, 17), (63, 64), (64, 65), (65, 129), (100, 131), (5, 257), (129, 129), (200, 256)])
        {
            yield return new Problem(type, 1, 2, 2, q, kv, 16, Causal: true);
            yield return new Problem(type, 1, 2, 2, q, kv, 16, Causal: false);
            yield return new Problem(type, 1, 2, 2, kv, q, 16, Causal: false);
        }

        // Scores so far apart that exponentials overflow unless the running maximum is subtracted.
        yield return new Problem(type, 1, 2, 2, 70, 70, 16, Causal: true, Range: 12);
        yield return new Problem(type, 1, 4, 4, 300, 300, 64, Causal: true);
    }

    private static IEnumerable<Problem> Dimensions(aios_dtype type)
    {
        for (int dim = 1; dim <= 80; dim++)
        {
            yield return new Problem(type, 1, 1, 1, 5, 7, dim, dim % 2 == 0);
        }

        foreach (int dim in (int[])[1, 3, 7, 16, 31, 33, 64, 65, 96, 100, 127, 128, 129, 160, 192, 200, 255, 256])
        {
            yield return new Problem(type, 1, 1, 1, 35, 35, dim, Causal: true);
            yield return new Problem(type, 1, 2, 1, 20, 33, dim, Causal: false);
        }
    }

    private static IEnumerable<Problem> Layouts(aios_dtype type)
    {
        foreach ((int heads, int kvHeads) in ((int, int)[])[(1, 1), (2, 1), (4, 2), (6, 3), (8, 2), (9, 3), (5, 1)])
        {
            foreach (Memory memory in Enum.GetValues<Memory>())
            {
                int kv = memory == Memory.Packed ? 19 : 23;
                yield return new Problem(type, 2, heads, kvHeads, 19, kv, 12, Causal: true, memory);
                yield return new Problem(type, 3, heads, kvHeads, 19, kv, 9, Causal: false, memory, Lse: false);
            }
        }

        yield return new Problem(type, 0, 2, 2, 5, 5, 8, Causal: true);
        yield return new Problem(type, 2, 4, 4, 65, 65, 32, Causal: true, Memory.Packed);
        yield return new Problem(type, 3, 3, 1, 130, 130, 24, Causal: true, Memory.PositionMajor);
    }

    private static Case Make(string op, Problem p) => op == "aios_attention" ? Forward(p) : Backward(p);

    private static Tensor Place(Memory memory, int batch, int heads, int length, int dim, int start, int packedHeads, out int size)
    {
        int gap = memory == Memory.Gaps ? 3 : 0;
        switch (memory)
        {
            case Memory.PositionMajor:
                size = batch * length * heads * dim;
                return new Tensor(0, length * heads * dim, dim, heads * dim);
            case Memory.Packed:
                size = batch * length * packedHeads * dim;
                return new Tensor(start, length * packedHeads * dim, dim, packedHeads * dim);
            default:
                int pitch = dim + gap;
                int head = (length * pitch) + gap;
                int sequence = (heads * head) + gap;
                size = batch * sequence;
                return new Tensor(0, sequence, head, pitch);
        }
    }

    /// <summary>Where q, k and v lie; in packed memory all in one buffer.</summary>
    private sealed record Places(Tensor Q, Tensor K, Tensor V, Tensor Out, int QSize, int KvSize, int OutSize)
    {
        public static Places Of(Problem p)
        {
            int packed = p.Heads + (2 * p.KvHeads);
            Tensor q = Place(p.Memory, p.Batch, p.Heads, p.QLen, p.Dim, 0, packed, out int qSize);
            Tensor k = Place(p.Memory, p.Batch, p.KvHeads, p.KvLen, p.Dim, p.Heads * p.Dim, packed, out int kvSize);
            Tensor v = Place(p.Memory, p.Batch, p.KvHeads, p.KvLen, p.Dim, (p.Heads + p.KvHeads) * p.Dim, packed, out _);
            Memory outMemory = p.Memory == Memory.Packed ? Memory.PositionMajor : p.Memory;
            Tensor output = Place(outMemory, p.Batch, p.Heads, p.QLen, p.Dim, 0, 0, out int outSize);
            return new Places(q, k, v, output, qSize, kvSize, outSize);
        }
    }

    /// <summary>The operands q, k and v; in packed memory the same one three times.</summary>
    private static (Operand Q, Operand K, Operand V) Triple(Problem p, Places at, Func<string, int, Operand> make)
    {
        if (p.Memory == Memory.Packed)
        {
            Operand packed = make("qkv", at.QSize);
            return (packed, packed, packed);
        }

        return (make("q", at.QSize), make("k", at.KvSize), make("v", at.KvSize));
    }

    private static Case Forward(Problem p)
    {
        var test = new Case("aios_attention", p.Type, $"{p}") { Launch = null! };
        Places at = Places.Of(p);
        (Operand q, Operand k, Operand v) = Triple(p, at, (name, size) => test.Input(name, p.Type, test.Data.Reals(size, -p.Range, p.Range)));
        Operand output = test.Output("out", p.Type, at.OutSize);
        Operand? lse = p.Lse ? test.Output("lse", aios_dtype.F32, p.Batch * p.Heads * p.QLen) : null;
        aios_attention_desc desc = Describe(p, at);
        Operand workspace = test.Scratch(kernels =>
        {
            aios_attention_desc d = desc;
            return kernels.aios_attention_workspace_size(&d);
        });
        output.Terms = Math.Max(p.KvLen, p.Dim);
        test.Launch = (kernels, s) =>
        {
            aios_attention_desc d = desc;
            return kernels.aios_attention(
                s, output.P, lse is null ? null : lse.F, q.At(at.Q.Start), k.At(at.K.Start), v.At(at.V.Start), workspace.P, workspace.Length, &d);
        };
        test.Oracle = () => EachHead(p, at, q, k, v, (b, h, head) =>
        {
            for (int i = 0; i < p.QLen; i++)
            {
                (double[] row, double[] magnitude, double sum, double sumMagnitude) = head.Forward(i);
                lse?.Expect((((b * p.Heads) + h) * p.QLen) + i, sum, sumMagnitude);
                for (int d = 0; d < p.Dim; d++)
                {
                    output.Expect(at.Out.At(b, h, i, d), row[d], magnitude[d]);
                }
            }
        });
        return test;
    }

    private static Case Backward(Problem p)
    {
        var test = new Case("aios_attention_backward", p.Type, $"{p}") { Launch = null! };
        Places at = Places.Of(p);
        (Operand q, Operand k, Operand v) = Triple(p, at, (name, size) => test.Input(name, p.Type, test.Data.Reals(size, -p.Range, p.Range)));
        Operand dout = test.Input("dout", p.Type, test.Data.Reals(at.OutSize));
        double[] stored = new double[at.OutSize];
        double[] sums = new double[p.Batch * p.Heads * p.QLen];
        EachHead(p, at, q, k, v, (b, h, head) =>
        {
            for (int i = 0; i < p.QLen; i++)
            {
                (double[] row, _, sums[(((b * p.Heads) + h) * p.QLen) + i], _) = head.Forward(i);
                for (int d = 0; d < p.Dim; d++)
                {
                    stored[at.Out.At(b, h, i, d)] = row[d];
                }
            }
        });
        Operand output = test.Input("out", p.Type, stored);
        Operand lse = test.Input("lse", aios_dtype.F32, sums);
        (Operand dq, Operand dk, Operand dv) = Triple(p, at, (name, size) => test.Output($"d{name}", p.Type, size));
        aios_attention_desc desc = Describe(p, at);
        Operand workspace = test.Scratch(kernels =>
        {
            aios_attention_desc d = desc;
            return kernels.aios_attention_backward_workspace_size(&d);
        });
        dq.Terms = dk.Terms = dv.Terms = Math.Max(Math.Max(p.QLen, p.KvLen), p.Dim) * (p.Heads / p.KvHeads);
        test.Launch = (kernels, s) =>
        {
            aios_attention_desc d = desc;
            return kernels.aios_attention_backward(
                s, dq.At(at.Q.Start), dk.At(at.K.Start), dv.At(at.V.Start), dout.P, output.P, lse.F,
                q.At(at.Q.Start), k.At(at.K.Start), v.At(at.V.Start), workspace.P, workspace.Length, &d);
        };
        test.Oracle = () => ExpectGradients(p, at, (q, k, v), (dout, output, lse), (dq, dk, dv));
        return test;
    }

    private static void ExpectGradients(
        Problem p, Places at, (Operand Q, Operand K, Operand V) inputs, (Operand Dout, Operand Out, Operand Lse) saved, (Operand Q, Operand K, Operand V) gradients)
    {
        int group = p.Heads / p.KvHeads;
        Gradient? dk = null;
        Gradient? dv = null;
        EachHead(p, at, inputs.Q, inputs.K, inputs.V, (b, h, head) =>
        {
            if (h % group == 0)
            {
                (dk, dv) = (new Gradient(p.KvLen, p.Dim), new Gradient(p.KvLen, p.Dim));
            }

            var dq = new Gradient(p.QLen, p.Dim);
            for (int i = 0; i < p.QLen; i++)
            {
                double[] Row(Operand operand) => [.. Enumerable.Range(0, p.Dim).Select(d => operand[at.Out.At(b, h, i, d)])];
                head.Backward(i, Row(saved.Dout), Row(saved.Out), saved.Lse[(((b * p.Heads) + h) * p.QLen) + i], dq, dk!, dv!);
            }

            void Expect(Operand operand, Tensor place, int headIndex, int length, Gradient gradient)
            {
                for (int t = 0; t < length; t++)
                {
                    for (int d = 0; d < p.Dim; d++)
                    {
                        (double value, double magnitude) = gradient[t, d];
                        operand.Expect(place.At(b, headIndex, t, d), value, magnitude);
                    }
                }
            }

            Expect(gradients.Q, at.Q, h, p.QLen, dq);
            if (h % group == group - 1)
            {
                Expect(gradients.K, at.K, h / group, p.KvLen, dk!);
                Expect(gradients.V, at.V, h / group, p.KvLen, dv!);
            }
        });
    }

    private static void EachHead(Problem p, Places at, Operand q, Operand k, Operand v, Action<int, int, AttentionHead> visit)
    {
        for (int b = 0; b < p.Batch; b++)
        {
            for (int h = 0; h < p.Heads; h++)
            {
                int kv = h / (p.Heads / p.KvHeads);
                visit(b, h, new AttentionHead(Rows(q, at.Q, h, p.QLen), Rows(k, at.K, kv, p.KvLen), Rows(v, at.V, kv, p.KvLen), p.Scale, p.Causal));
            }

            double[][] Rows(Operand operand, Tensor place, int head, int length) =>
                [.. Enumerable.Range(0, length).Select(t => operand.Initial.AsSpan(place.At(b, head, t, 0), p.Dim).ToArray())];
        }
    }

    private static aios_attention_desc Describe(Problem p, Places at)
    {
        aios_attention_desc d = default;
        (d.batch, d.heads, d.kv_heads, d.q_len, d.kv_len, d.head_dim) = (p.Batch, p.Heads, p.KvHeads, p.QLen, p.KvLen, p.Dim);
        (d.q_stride[0], d.q_stride[1], d.q_stride[2]) = (at.Q.Batch, at.Q.Head, at.Q.Position);
        (d.k_stride[0], d.k_stride[1], d.k_stride[2]) = (at.K.Batch, at.K.Head, at.K.Position);
        (d.v_stride[0], d.v_stride[1], d.v_stride[2]) = (at.V.Batch, at.V.Head, at.V.Position);
        (d.out_stride[0], d.out_stride[1], d.out_stride[2]) = (at.Out.Batch, at.Out.Head, at.Out.Position);
        (d.scale, d.causal, d.dtype) = (p.Scale, p.Causal ? 1 : 0, p.Type);
        return d;
    }

    private static Case[] Errors(string op)
    {
        var good = new Problem(aios_dtype.F32, 1, 4, 2, 5, 5, 8, Causal: true);
        Case Bad(string why, Func<aios_attention_desc, aios_attention_desc> change)
        {
            aios_attention_desc desc = change(Describe(good, Places.Of(good)));
            return op == "aios_attention"
                ? Rejects(Make(op, good), why, (o, k, s) =>
                {
                    aios_attention_desc d = desc;
                    return k.aios_attention(s, o[3].P, null, o[0].P, o[1].P, o[2].P, o[^1].P, o[^1].Length, &d);
                })
                : Rejects(Make(op, good), why, (o, k, s) =>
                {
                    aios_attention_desc d = desc;
                    return k.aios_attention_backward(
                        s, o[6].P, o[7].P, o[8].P, o[3].P, o[4].P, o[5].F, o[0].P, o[1].P, o[2].P, o[^1].P, o[^1].Length, &d);
                });
        }

        return
        [
            Bad("heads not a multiple of kv_heads", d => d with { heads = 3 }),
            Bad("head_dim = 0", d => d with { head_dim = 0 }),
            Bad("head_dim = 257", d => d with { head_dim = 257 }),
            Bad("batch = -1", d => d with { batch = -1 }),
            Bad("q_len = -1", d => d with { q_len = -1 }),
            Bad("causal with fewer keys than queries", d => d with { q_len = 6 }),
            ShortWorkspace(Make(op, new Problem(aios_dtype.F32, 2, 4, 2, 65, 65, 32, Causal: true))),
        ];
    }
}

public sealed class AttentionTests(ITestOutputHelper output) : ConformanceTests<AttentionCases>(output);

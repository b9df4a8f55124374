using AiOs.Interop;

namespace AiOs.Tensors;

/// <content>Attention and rotary positions.</content>
public static partial class Ops
{
    /// <summary>softmax(scale q k^T + mask) v without ever holding the scores (Dao et al., arXiv:2205.14135).</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="q">[B, H, Tq, D], any strides, D at most 256.</param>
    /// <param name="k">[B, Hkv, Tk, D] where H is a multiple of Hkv (grouped queries).</param>
    /// <param name="v">The shape of k.</param>
    /// <param name="causal">Query i sees keys j &lt;= i + Tk - Tq.</param>
    /// <param name="scale">Factor of the scores; 1 / sqrt(D) when null.</param>
    /// <returns>[B, H, Tq, D]</returns>
    public static unsafe Tensor Attention(Tape tape, Tensor q, Tensor k, Tensor v, bool causal = true, float? scale = null)
    {
        TensorBody query = Require.Input("Attention", "q", tape, q);
        TensorBody key = Require.Input("Attention", "k", tape, k);
        TensorBody value = Require.Input("Attention", "v", tape, v);
        Require.SameFloating("Attention", "q", query, "k", key);
        Require.SameFloating("Attention", "q", query, "v", value);
        Require.Rank("Attention", "q", query, 4, 4);
        Require.Rank("Attention", "k", key, 4, 4);
        if (!key.Shape.SequenceEqual(value.Shape))
        {
            Require.Mismatch("Attention", "k", key, "v", value, "they must be equal");
        }

        if (query.Shape[0] != key.Shape[0] || query.Shape[3] != key.Shape[3] || key.Shape[1] == 0
            || query.Shape[1] % key.Shape[1] != 0 || (causal && key.Shape[2] < query.Shape[2]))
        {
            Require.Mismatch(
                "Attention", "q", query, "k", key,
                "batch and head size must be equal, heads a multiple of key heads, and causal keys no fewer than queries");
        }

        query = InnerDense(tape, query);
        key = InnerDense(tape, key);
        value = InnerDense(tape, value);
        TensorBody result = tape.Output(query.DType, query.Shape);
        aios_attention_desc desc;
        Describe(&desc, query, key, value, result, causal, scale ?? 1 / MathF.Sqrt(query.Shape[3]));
        bool records = tape.Records(query, key, value);
        TensorBody? lse = Attend(tape, result.Pointer, query.Pointer, key.Pointer, value.Pointer, records, &desc);
        if (records)
        {
            ref Node node = ref tape.Record(&AttentionBackward, result, query, key, value);
            node.SavedA = query.Hold();
            node.SavedB = key.Hold();
            node.SavedC = value.Hold();
            node.SavedD = lse;
            node.IntA = causal ? 1 : 0;
            node.FloatA = desc.scale;
            node.SavedE = result.Hold();
        }

        return new Tensor(result);
    }

    /// <summary>
    /// Multi-head self-attention of packed projections: queries, keys and values lie side by side in the last dimension,
    /// as GPT-2's c_attn makes them. Nothing is transposed or copied, and one packed gradient is written.
    /// </summary>
    /// <param name="tape">The tape.</param>
    /// <param name="qkv">[B, T, 3 C]</param>
    /// <param name="heads">Number of heads, a divisor of C.</param>
    /// <param name="causal">Position i sees positions up to i only.</param>
    /// <returns>[B, T, C]</returns>
    public static unsafe Tensor SelfAttention(Tape tape, Tensor qkv, int heads, bool causal = true)
    {
        TensorBody packed = Require.Input("SelfAttention", "qkv", tape, qkv);
        Require.Floating("SelfAttention", "qkv", packed);
        Require.Rank("SelfAttention", "qkv", packed, 3, 3);
        long width = packed.Shape[2] / 3;
        if (heads < 1 || packed.Shape[2] % 3 != 0 || width % heads != 0)
        {
            Require.Throw($"SelfAttention: qkv has shape {Require.Text(packed)}; its last extent must be 3 times a multiple of {heads} heads");
        }

        packed = Dense(tape, packed);
        TensorBody result = tape.Output(packed.DType, [packed.Shape[0], packed.Shape[1], width]);
        aios_attention_desc desc;
        DescribePacked(&desc, packed, heads, causal);
        bool records = tape.Records(packed);
        nint step = (nint)(width * packed.DType.Size());
        TensorBody? lse = Attend(tape, result.Pointer, packed.Pointer, packed.Pointer + step, packed.Pointer + 2 * step, records, &desc);
        if (records)
        {
            ref Node node = ref tape.Record(&SelfAttentionBackward, result, packed);
            node.SavedA = packed.Hold();
            node.SavedB = result.Hold();
            node.SavedD = lse;
            node.IntA = causal ? 1 : 0;
            node.IntB = heads;
        }

        return new Tensor(result);
    }

    /// <summary>Rotates pairs of each head by angles that grow with the position (Su et al., arXiv:2104.09864).</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">[B, T, H, D] with an even D.</param>
    /// <param name="positions">I32 [T], or null for 0, 1, 2, ...</param>
    /// <param name="theta">Base of the frequencies.</param>
    /// <param name="interleaved">Pairs are (2p, 2p + 1) instead of (p, p + D / 2).</param>
    /// <returns>The shape of x.</returns>
    public static unsafe Tensor Rope(Tape tape, Tensor x, Tensor positions = default, float theta = 10000f, bool interleaved = false)
    {
        TensorBody a = Require.Input("Rope", "x", tape, x);
        TensorBody? at = Require.Optional("Rope", "positions", tape, positions);
        Require.Floating("Rope", "x", a);
        Require.Rank("Rope", "x", a, 4, 4);
        if (a.Shape[3] % 2 != 0)
        {
            Require.Throw($"Rope: x has shape {Require.Text(a)}; its last extent must be even");
        }

        if (at is not null)
        {
            Require.Indices("Rope", "positions", at);
            Require.Vector("Rope", "positions", at, a.Shape[1]);
        }

        a = Dense(tape, a);
        TensorBody result = tape.Output(a.DType, a.Shape);
        Rotate(tape, result, a, at, theta, interleaved, false);
        if (tape.Records(a))
        {
            ref Node node = ref tape.Record(&RopeBackward, result, a);
            node.SavedA = at?.Hold();
            node.FloatA = theta;
            node.IntA = interleaved ? 1 : 0;
        }

        return new Tensor(result);
    }

    private static unsafe void AttentionBackward(Tape tape, ref Node node)
    {
        TensorBody gradient = node.OutputGrad;

        // The kernel writes gradients with the strides of what they belong to; dense ones need no more than a copy of
        // views that have gaps.
        TensorBody query = HoldDense(tape, node.SavedA!);
        TensorBody key = HoldDense(tape, node.SavedB!);
        TensorBody value = HoldDense(tape, node.SavedC!);
        TensorBody dq = TensorBody.Allocate(tape.Stream, query.DType, query.Shape);
        TensorBody dk = TensorBody.Allocate(tape.Stream, key.DType, key.Shape);
        TensorBody dv = TensorBody.Allocate(tape.Stream, value.DType, value.Shape);
        aios_attention_desc desc;
        Describe(&desc, query, key, value, gradient, node.IntA == 1, node.FloatA);
        AttendBackward(
            tape, dq.Pointer, dk.Pointer, dv.Pointer, gradient.Pointer, node.SavedE!.Pointer, node.SavedD!.Pointer,
            query.Pointer, key.Pointer, value.Pointer, &desc);
        query.Drop();
        key.Drop();
        value.Drop();
        AddBroadcastOrDrop(tape, node.InputA, dq);
        AddBroadcastOrDrop(tape, node.InputB, dk);
        AddBroadcastOrDrop(tape, node.InputC, dv);
    }

    private static unsafe void SelfAttentionBackward(Tape tape, ref Node node)
    {
        TensorBody gradient = node.OutputGrad, packed = node.SavedA!;
        TensorBody target = TensorBody.Allocate(tape.Stream, packed.DType, packed.Shape);
        aios_attention_desc desc;
        DescribePacked(&desc, packed, node.IntB, node.IntA == 1);
        nint step = (nint)(packed.Shape[2] / 3 * packed.DType.Size());
        AttendBackward(
            tape, target.Pointer, target.Pointer + step, target.Pointer + 2 * step, gradient.Pointer, node.SavedB!.Pointer,
            node.SavedD!.Pointer, packed.Pointer, packed.Pointer + step, packed.Pointer + 2 * step, &desc);
        tape.AddGradient(node.InputA!, target);
    }

    private static void RopeBackward(Tape tape, ref Node node)
    {
        TensorBody gradient = node.OutputGrad;
        TensorBody target = tape.ReuseOutputGrad(ref node);
        Rotate(tape, target, gradient, node.SavedA, node.FloatA, node.IntA == 1, true);
        tape.AddGradient(node.InputA!, target);
    }

    private static unsafe void Rotate(
        Tape tape, TensorBody result, TensorBody x, TensorBody? positions, float theta, bool interleaved, bool inverse) =>
        tape.Stream.Check(
            tape.Stream.Device.Kernels.aios_rope(
                tape.Stream.Handle, (void*)result.Pointer, (void*)x.Pointer, (int*)Address(positions), x.Shape[0], x.Shape[1], x.Shape[2],
                x.Shape[3], theta, interleaved ? 1 : 0, inverse ? 1 : 0, x.DType.Native()),
            "aios_rope");

    /// <summary>Runs the forward kernel; returns the log-sum-exp of the rows, held, when it is needed later.</summary>
    private static unsafe TensorBody? Attend(Tape tape, nint result, nint q, nint k, nint v, bool records, aios_attention_desc* desc)
    {
        KernelTable kernels = tape.Stream.Device.Kernels;
        TensorBody? lse = records ? TensorBody.Allocate(tape.Stream, DType.F32, [desc->batch, desc->heads, desc->q_len]) : null;
        using var workspace = new Workspace(tape.Stream, kernels.aios_attention_workspace_size(desc), "aios_attention");
        tape.Stream.Check(
            kernels.aios_attention(
                tape.Stream.Handle, (void*)result, (float*)Address(lse), (void*)q, (void*)k, (void*)v, workspace.Pointer, workspace.Bytes, desc),
            "aios_attention");
        return lse;
    }

    private static unsafe void AttendBackward(
        Tape tape, nint dq, nint dk, nint dv, nint dout, nint result, nint lse, nint q, nint k, nint v, aios_attention_desc* desc)
    {
        KernelTable kernels = tape.Stream.Device.Kernels;
        using var workspace = new Workspace(tape.Stream, kernels.aios_attention_backward_workspace_size(desc), "aios_attention_backward");
        tape.Stream.Check(
            kernels.aios_attention_backward(
                tape.Stream.Handle, (void*)dq, (void*)dk, (void*)dv, (void*)dout, (void*)result, (float*)lse, (void*)q, (void*)k, (void*)v,
                workspace.Pointer, workspace.Bytes, desc),
            "aios_attention_backward");
    }

    private static unsafe void Describe(
        aios_attention_desc* desc, TensorBody q, TensorBody k, TensorBody v, TensorBody result, bool causal, float scale)
    {
        desc->batch = q.Shape[0];
        desc->heads = q.Shape[1];
        desc->kv_heads = k.Shape[1];
        desc->q_len = q.Shape[2];
        desc->kv_len = k.Shape[2];
        desc->head_dim = q.Shape[3];
        desc->scale = scale;
        desc->causal = causal ? 1 : 0;
        desc->dtype = q.DType.Native();
        for (int d = 0; d < 3; d++)
        {
            desc->q_stride[d] = q.Strides[d];
            desc->k_stride[d] = k.Strides[d];
            desc->v_stride[d] = v.Strides[d];
            desc->out_stride[d] = result.Strides[d];
        }
    }

    private static unsafe void DescribePacked(aios_attention_desc* desc, TensorBody packed, int heads, bool causal)
    {
        long length = packed.Shape[1], width = packed.Shape[2] / 3, size = width / heads;
        desc->batch = packed.Shape[0];
        desc->heads = heads;
        desc->kv_heads = heads;
        desc->q_len = length;
        desc->kv_len = length;
        desc->head_dim = size;
        desc->scale = 1 / MathF.Sqrt(size);
        desc->causal = causal ? 1 : 0;
        desc->dtype = packed.DType.Native();
        for (int d = 0; d < 3; d++)
        {
            long stride = d switch { 0 => length, 1 => 0, _ => 1 };
            long inHead = d == 1 ? size : 0;
            desc->q_stride[d] = desc->k_stride[d] = desc->v_stride[d] = stride * 3 * width + inHead;
            desc->out_stride[d] = stride * width + inHead;
        }
    }

    /// <summary>The tensor when the elements of its last dimension are neighbours, else a recorded copy.</summary>
    private static TensorBody InnerDense(Tape tape, TensorBody a) => a.Strides[^1] == 1 || a.Shape[^1] <= 1 ? a : Dense(tape, a);

    /// <summary>The tensor, held, when it is contiguous, else a copy that is not recorded.</summary>
    private static TensorBody HoldDense(Tape tape, TensorBody a)
    {
        if (a.IsContiguous)
        {
            return a.Hold();
        }

        TensorBody copy = TensorBody.Allocate(tape.Stream, a.DType, a.Shape);
        Launch.Copy(tape.Stream, copy, a);
        return copy;
    }
}

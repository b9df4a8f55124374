using AiOs.Interop;
using AiOs.Tensors;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Modules;

/// <summary>The keys and values of one block, each [1, heads, capacity, head width].</summary>
public sealed class KeyValueLayer : IDisposable
{
    private readonly KeyValueCache _cache;
    private readonly Tensor _keys;
    private readonly Tensor _values;

    internal KeyValueLayer(KeyValueCache cache, Stream stream, GptConfig config, DType dtype)
    {
        _cache = cache;
        _keys = Tensor.Zeros(stream, dtype, 1, config.Heads, config.Block, config.Embd / config.Heads);
        _values = Tensor.Zeros(stream, dtype, 1, config.Heads, config.Block, config.Embd / config.Heads);
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        _keys.Dispose();
        _values.Dispose();
    }

    /// <summary>Appends the keys and values of qkv [1, length, 3 width]; each query sees all positions up to its own.</summary>
    /// <returns>[1, length, width].</returns>
    internal Tensor Attend(Tape tape, Tensor qkv, int heads)
    {
        long length = qkv.Shape[1], width = qkv.Shape[2] / 3;
        Tensor all = Ops.Reshape(tape, qkv, 1, length, 3L * heads, width / heads);
        Append(tape, _keys, Part(tape, all, heads, 1));
        Append(tape, _values, Part(tape, all, heads, 2));
        long seen = _cache.Length + length;
        Tensor mixed = Ops.Attention(
            tape, Part(tape, all, heads, 0), Ops.Slice(tape, _keys, 2, 0, seen), Ops.Slice(tape, _values, 2, 0, seen), causal: true);
        return Ops.Reshape(tape, Ops.Contiguous(tape, Ops.Transpose(tape, mixed, 1, 2)), 1, length, width);
    }

    /// <summary>The queries (0), keys (1) or values (2) as a view [1, heads, length, head width].</summary>
    private static Tensor Part(Tape tape, Tensor all, int heads, int index) =>
        Ops.Transpose(tape, Ops.Slice(tape, all, 2, (long)index * heads, heads), 1, 2);

    private unsafe void Append(Tape tape, Tensor store, Tensor part)
    {
        var desc = new aios_elementwise_desc { rank = part.Rank, dtype = (aios_dtype)store.DType };
        for (int d = 0; d < part.Rank; d++)
        {
            desc.shape[d] = part.Shape[d];
            desc.a_stride[d] = part.Strides[d];
            desc.out_stride[d] = store.Strides[d];
        }

        nint target = store.On(tape.Stream) + (nint)(_cache.Length * store.Strides[2] * store.DType.Size());
        Stream stream = tape.Stream;
        stream.Check(
            stream.Device.Kernels.aios_unary(stream.Handle, (void*)target, (void*)part.Pointer, aios_unary_op.Copy, &desc),
            nameof(KernelTable.aios_unary));
    }
}

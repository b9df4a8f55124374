using System.Buffers;
using AiOs.Tensors;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Modules;

/// <summary>Moves values from the host into parts of parameters.</summary>
internal static class Values
{
    /// <summary>
    /// Overwrites elements of a contiguous F32 or BF16 tensor from element <paramref name="first"/> on, rounded to its type,
    /// and waits until the values may change again.
    /// </summary>
    public static void Write(Tensor tensor, long first, ReadOnlySpan<float> values, Stream stream)
    {
        nint target = tensor.On(stream) + (nint)(first * tensor.DType.Size());
        if (tensor.DType == DType.F32)
        {
            stream.CopyFromHost(target, values);
            return;
        }

        BFloat16[] rounded = ArrayPool<BFloat16>.Shared.Rent(values.Length);
        BFloat16.FromSingles(values, rounded);
        stream.CopyFromHost<BFloat16>(target, rounded.AsSpan(0, values.Length));
        ArrayPool<BFloat16>.Shared.Return(rounded);
    }
}

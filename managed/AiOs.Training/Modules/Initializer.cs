using AiOs.Tensors;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Modules;

/// <summary>
/// Makes the initial values of parameters. Value i of the n-th tensor depends on the seed, n and i alone (Philox), not
/// on the number of threads that compute them.
/// </summary>
public sealed class Initializer
{
    /// <summary>Standard deviation of GPT-2's weights.</summary>
    public const double Gpt2Deviation = 0.02;

    private const int PieceElements = 1 << 16;

    /// <summary>Keeps the random numbers of initial values apart from those of dropout with the same seed.</summary>
    private const ulong KeyOfInitialValues = 0x6a09e667f3bcc909;

    private readonly Stream _stream;
    private readonly ulong _seed;
    private ulong _tensors;

    /// <summary>Makes a source of initial values.</summary>
    /// <param name="stream">The stream that uses the tensors; its device holds them.</param>
    /// <param name="seed">Decides all random values.</param>
    public Initializer(Stream stream, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(stream);
        (_stream, _seed) = (stream, seed ^ KeyOfInitialValues);
    }

    /// <summary>An F32 tensor of normal values with mean 0.</summary>
    /// <param name="deviation">Standard deviation.</param>
    /// <param name="shape">Extents.</param>
    public Tensor Normal(double deviation, params ReadOnlySpan<long> shape)
    {
        Tensor tensor = Tensor.Empty(_stream, DType.F32, shape);
        var values = new float[tensor.Length];
        ulong firstPiece = _tensors++ << 32;
        Parallel.For(0, (values.Length + PieceElements - 1) / PieceElements, piece =>
        {
            int start = piece * PieceElements, length = Math.Min(PieceElements, values.Length - start);
            Philox.FillNormal(values.AsSpan(start, length), _seed, firstPiece + (ulong)piece, 0, (float)deviation);
        });
        tensor.CopyFrom<float>(values, _stream);
        return tensor;
    }

    /// <summary>An F32 tensor of one value.</summary>
    /// <param name="value">The value.</param>
    /// <param name="shape">Extents.</param>
    public Tensor Constant(float value, params ReadOnlySpan<long> shape)
    {
        _tensors++;
        return Tensor.Full(_stream, DType.F32, value, shape);
    }
}

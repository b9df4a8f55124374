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

    /// <summary>Pieces that are drawn together: the host never holds a large tensor.</summary>
    private const int RoundPieces = 32;

    /// <summary>Keeps the random numbers of initial values apart from those of dropout with the same seed.</summary>
    private const ulong KeyOfInitialValues = 0x6a09e667f3bcc909;

    private readonly Stream _stream;
    private readonly ulong _seed;
    private readonly DType _dtype;
    private readonly bool _undefined;
    private ulong _tensors;

    /// <summary>Makes a source of initial values.</summary>
    /// <param name="stream">The stream that uses the tensors; its device holds them.</param>
    /// <param name="seed">Decides all random values.</param>
    /// <param name="dtype">F32, or BF16 for the same values rounded.</param>
    /// <exception cref="ArgumentOutOfRangeException">The dtype is neither.</exception>
    public Initializer(Stream stream, ulong seed, DType dtype = DType.F32)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (dtype is not (DType.F32 or DType.BF16))
        {
            throw new ArgumentOutOfRangeException(nameof(dtype), $"parameters are F32 or BF16, not {dtype}");
        }

        (_stream, _seed, _dtype) = (stream, seed ^ KeyOfInitialValues, dtype);
    }

    private Initializer(Stream stream, DType dtype)
        : this(stream, 0, dtype) => _undefined = true;

    /// <summary>
    /// Gives tensors of undefined contents, for a model whose weights are about to be read: computing values takes many
    /// times as long as reading them.
    /// </summary>
    internal static Initializer Undefined(Stream stream, DType dtype) => new(stream, dtype);

    /// <summary>A tensor of normal values with mean 0.</summary>
    /// <param name="deviation">Standard deviation.</param>
    /// <param name="shape">Extents.</param>
    public Tensor Normal(double deviation, params ReadOnlySpan<long> shape)
    {
        Tensor tensor = Tensor.Empty(_stream, _dtype, shape);
        if (_undefined)
        {
            return tensor;
        }

        var values = new float[Math.Min(tensor.Length, RoundPieces * PieceElements)];
        ulong piece = _tensors++ << 32;
        for (long first = 0; first < tensor.Length; first += values.Length, piece += RoundPieces)
        {
            int count = (int)Math.Min(values.Length, tensor.Length - first);
            ulong round = piece;
            Parallel.For(0, (count + PieceElements - 1) / PieceElements, part =>
            {
                int start = part * PieceElements, length = Math.Min(PieceElements, count - start);
                Philox.FillNormal(values.AsSpan(start, length), _seed, round + (ulong)part, 0, (float)deviation);
            });
            Values.Write(tensor, first, values.AsSpan(0, count), _stream);
        }

        return tensor;
    }

    /// <summary>A tensor of one value.</summary>
    /// <param name="value">The value.</param>
    /// <param name="shape">Extents.</param>
    public Tensor Constant(float value, params ReadOnlySpan<long> shape)
    {
        _tensors++;
        return _undefined ? Tensor.Empty(_stream, _dtype, shape) : Tensor.Full(_stream, _dtype, value, shape);
    }
}

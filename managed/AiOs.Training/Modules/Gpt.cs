using AiOs.Tensors;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Modules;

/// <summary>
/// GPT-2 (Radford et al., 2019): learned token and position embeddings, pre-norm blocks, a final norm, and an output
/// projection tied to the token embedding. Parameters have the names of Hugging Face's GPT-2.
/// </summary>
public sealed class Gpt : Module
{
    private readonly Embedding _tokens;
    private readonly Embedding _positions;
    private readonly Dropout _dropout;
    private readonly GptBlock[] _blocks;
    private readonly LayerNorm _norm;

    /// <summary>Makes a model with GPT-2's random initialization.</summary>
    /// <param name="stream">The stream that uses the parameters; its device holds them.</param>
    /// <param name="config">The shape.</param>
    /// <param name="seed">The initial values depend on the seed and the shape only.</param>
    /// <param name="dtype">
    /// F32 or BF16: the type of parameters, activations and gradients. The BF16 model starts from the values of the F32 one,
    /// rounded.
    /// </param>
    /// <exception cref="AiOs.Runtime.AiOsException">The shape is impossible.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The dtype is neither.</exception>
    public Gpt(Stream stream, GptConfig config, ulong seed, DType dtype = DType.F32)
        : this(config, new Initializer(stream, seed, dtype), dtype)
    {
    }

    private Gpt(GptConfig config, Initializer init, DType dtype)
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Validate();
        (Config, DType) = (config, dtype);
        _tokens = Register("transformer.wte", new Embedding(init, config.Vocab, config.Embd));
        _positions = Register("transformer.wpe", new Embedding(init, config.Block, config.Embd));
        _dropout = Register("transformer.drop", new Dropout(config.Dropout));
        _blocks = new GptBlock[config.Layers];
        for (int i = 0; i < config.Layers; i++)
        {
            _blocks[i] = Register($"transformer.h.{i}", new GptBlock(init, config));
        }

        _norm = Register("transformer.ln_f", new LayerNorm(init, config.Embd));
    }

    /// <summary>Makes a model of undefined weights, all of which are about to be read.</summary>
    internal static Gpt WithoutWeights(Stream stream, GptConfig config, DType dtype) =>
        new(config, Initializer.Undefined(stream, dtype), dtype);

    /// <summary>The shape.</summary>
    public GptConfig Config { get; }

    /// <summary>Type of parameters, activations and gradients.</summary>
    public DType DType { get; }

    /// <summary>Scores of every next token: logits [batch, length, vocab] from ids I32 [batch, length].</summary>
    /// <exception cref="ArgumentException">The sequence is longer than the model's positions.</exception>
    public override Tensor Forward(Tape tape, Tensor x) => Head(tape, Body(tape, x, null));

    /// <summary>
    /// Scores of the token after the last of <paramref name="ids"/>, the next positions of a sequence whose earlier
    /// ones are in the cache.
    /// </summary>
    /// <param name="tape">Where the ops run; it need not record.</param>
    /// <param name="ids">I32 [1, length].</param>
    /// <param name="cache">Keys and values so far; those of the ids are appended.</param>
    /// <returns>Logits [1, 1, vocab].</returns>
    public Tensor Forward(Tape tape, Tensor ids, KeyValueCache cache)
    {
        ArgumentNullException.ThrowIfNull(cache);
        long length = ids.Shape[1];
        Tensor x = Body(tape, ids, cache);
        cache.Advance(length);
        return Head(tape, Ops.Contiguous(tape, Ops.Slice(tape, x, 1, length - 1, 1)));
    }

    /// <summary>
    /// Mean cross-entropy, in nats, of the targets I32 [batch, length] that follow the ids I32 [batch, length].
    /// </summary>
    public Tensor Loss(Tape tape, Tensor ids, Tensor targets)
    {
        Tensor logits = Forward(tape, ids);
        return Ops.CrossEntropy(
            tape, Ops.Reshape(tape, logits, targets.Length, Config.Vocab), Ops.Reshape(tape, targets, targets.Length));
    }

    private Tensor Body(Tape tape, Tensor ids, KeyValueCache? cache)
    {
        long length = ids.Shape[^1], start = cache?.Length ?? 0;
        if (start + length > Config.Block)
        {
            throw new ArgumentException($"{start + length} positions are more than the model's {Config.Block}", nameof(ids));
        }

        Tensor positions = length == Config.Block ? _positions.Weight : Ops.Slice(tape, _positions.Weight, 0, start, length);
        Tensor x = _dropout.Forward(tape, Ops.Add(tape, _tokens.Forward(tape, ids), positions));
        for (int i = 0; i < _blocks.Length; i++)
        {
            x = _blocks[i].Forward(tape, x, cache?.Layers[i]);
        }

        return x;
    }

    private Tensor Head(Tape tape, Tensor x) => Ops.LinearTransposed(tape, _norm.Forward(tape, x), _tokens.Weight);
}

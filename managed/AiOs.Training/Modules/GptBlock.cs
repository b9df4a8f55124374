using AiOs.Tensors;

namespace AiOs.Training.Modules;

/// <summary>One block of GPT-2: x + attention(norm(x)), then x + mlp(norm(x)).</summary>
public sealed class GptBlock : Module
{
    private readonly LayerNorm _firstNorm;
    private readonly CausalSelfAttention _attention;
    private readonly LayerNorm _secondNorm;
    private readonly Mlp _mlp;

    /// <summary>Makes the block with GPT-2's initialization: residual projections get 0.02 / sqrt(2 layers).</summary>
    public GptBlock(Initializer init, GptConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        double projection = Initializer.Gpt2Deviation / Math.Sqrt(2.0 * config.Layers);
        _firstNorm = Register("ln_1", new LayerNorm(init, config.Embd));
        _attention = Register("attn", new CausalSelfAttention(init, config.Embd, config.Heads, projection, config.Dropout));
        _secondNorm = Register("ln_2", new LayerNorm(init, config.Embd));
        _mlp = Register("mlp", new Mlp(init, config.Embd, projection, config.Dropout));
    }

    /// <summary>Applies the block to x [batch, length, embd].</summary>
    public override Tensor Forward(Tape tape, Tensor x) => Forward(tape, x, null);

    /// <summary>Applies the block to the next positions of a sequence whose earlier ones are in a cache.</summary>
    public Tensor Forward(Tape tape, Tensor x, KeyValueLayer? cache)
    {
        x = _attention.Forward(tape, _firstNorm.Forward(tape, x), x, cache);
        return _mlp.Forward(tape, _secondNorm.Forward(tape, x), x);
    }
}

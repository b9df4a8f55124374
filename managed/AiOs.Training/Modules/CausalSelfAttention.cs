using AiOs.Tensors;

namespace AiOs.Training.Modules;

/// <summary>
/// Multi-head self-attention in which no position sees a later one (Vaswani et al., arXiv:1706.03762), with GPT-2's
/// fused projection to queries, keys and values.
/// </summary>
public sealed class CausalSelfAttention : Module
{
    private readonly Linear _attend;
    private readonly Linear _project;
    private readonly Dropout _dropout;
    private readonly int _heads;

    /// <summary>Makes the layers "c_attn" and "c_proj".</summary>
    /// <param name="init">Where the initial values come from.</param>
    /// <param name="width">Last extent of input and output; a multiple of <paramref name="heads"/>.</param>
    /// <param name="heads">Number of heads.</param>
    /// <param name="projectionDeviation">Standard deviation of the projection's initial weights.</param>
    /// <param name="dropout">Dropout of the output.</param>
    public CausalSelfAttention(
        Initializer init, int width, int heads, double projectionDeviation = Initializer.Gpt2Deviation, float dropout = 0)
    {
        _attend = Register("c_attn", new Linear(init, width, 3 * width));
        _project = Register("c_proj", new Linear(init, width, width, projectionDeviation));
        _dropout = Register("dropout", new Dropout(dropout));
        _heads = heads;
    }

    /// <summary>Attends within each sequence of x [batch, length, width].</summary>
    public override Tensor Forward(Tape tape, Tensor x) => Forward(tape, x, default);

    /// <summary>Attends within each sequence and adds <paramref name="residual"/> of the shape of x.</summary>
    /// <param name="tape">Where the ops are recorded.</param>
    /// <param name="x">[batch, length, width].</param>
    /// <param name="residual">Added to the output; null for nothing.</param>
    /// <param name="cache">
    /// Keys and values of earlier positions, to which those of x are appended; null when x is the whole sequence.
    /// </param>
    public Tensor Forward(Tape tape, Tensor x, Tensor residual, KeyValueLayer? cache = null)
    {
        Tensor qkv = _attend.Forward(tape, x);
        Tensor mixed = cache is null
            ? Ops.SelfAttention(tape, qkv, _heads, causal: true)
            : cache.Attend(tape, qkv, _heads);
        return Residual.Add(tape, _project, mixed, _dropout, residual);
    }
}

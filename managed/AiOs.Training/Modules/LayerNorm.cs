using AiOs.Tensors;

namespace AiOs.Training.Modules;

/// <summary>Layer normalization over the last dimension with gain and bias (Ba et al., arXiv:1607.06450).</summary>
public sealed class LayerNorm : Module
{
    private readonly Tensor _weight;
    private readonly Tensor _bias;
    private readonly float _epsilon;

    /// <summary>Makes the layer with gain 1 and bias 0.</summary>
    /// <param name="init">Where the initial values come from.</param>
    /// <param name="width">Last extent of the input.</param>
    /// <param name="epsilon">Added to the variance.</param>
    public LayerNorm(Initializer init, int width, float epsilon = 1e-5f)
    {
        ArgumentNullException.ThrowIfNull(init);
        _weight = Register("weight", init.Constant(1, width));
        _bias = Register("bias", init.Constant(0, width));
        _epsilon = epsilon;
    }

    /// <summary>Normalizes x [..., width].</summary>
    public override Tensor Forward(Tape tape, Tensor x) => Ops.LayerNorm(tape, x, _weight, _bias, _epsilon);
}

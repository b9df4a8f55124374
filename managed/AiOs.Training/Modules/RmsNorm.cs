using AiOs.Tensors;

namespace AiOs.Training.Modules;

/// <summary>Root-mean-square normalization over the last dimension (Zhang and Sennrich, arXiv:1910.07467).</summary>
public sealed class RmsNorm : Module
{
    private readonly Tensor _weight;
    private readonly float _epsilon;

    /// <summary>Makes the layer with gain 1.</summary>
    /// <param name="init">Where the initial values come from.</param>
    /// <param name="width">Last extent of the input.</param>
    /// <param name="epsilon">Added to the mean of squares.</param>
    public RmsNorm(Initializer init, int width, float epsilon = 1e-5f)
    {
        ArgumentNullException.ThrowIfNull(init);
        _weight = Register("weight", init.Constant(1, width));
        _epsilon = epsilon;
    }

    /// <summary>Normalizes x [..., width].</summary>
    public override Tensor Forward(Tape tape, Tensor x) => Ops.RmsNorm(tape, x, _weight, _epsilon);
}

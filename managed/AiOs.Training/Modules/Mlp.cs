using AiOs.Tensors;

namespace AiOs.Training.Modules;

/// <summary>The feed-forward part of a GPT-2 block: width to 4 width, tanh-GELU, and back.</summary>
public sealed class Mlp : Module
{
    private readonly Linear _expand;
    private readonly Linear _project;
    private readonly Dropout _dropout;

    /// <summary>Makes the layers "c_fc" and "c_proj".</summary>
    /// <param name="init">Where the initial values come from.</param>
    /// <param name="width">Last extent of input and output.</param>
    /// <param name="projectionDeviation">Standard deviation of the projection's initial weights.</param>
    /// <param name="dropout">Dropout of the output.</param>
    public Mlp(Initializer init, int width, double projectionDeviation = Initializer.Gpt2Deviation, float dropout = 0)
    {
        _expand = Register("c_fc", new Linear(init, width, 4 * width));
        _project = Register("c_proj", new Linear(init, 4 * width, width, projectionDeviation));
        _dropout = Register("dropout", new Dropout(dropout));
    }

    /// <summary>Applies the layers to x [..., width].</summary>
    public override Tensor Forward(Tape tape, Tensor x) => Forward(tape, x, default);

    /// <summary>Applies the layers to x [..., width] and adds <paramref name="residual"/> of the same shape.</summary>
    public Tensor Forward(Tape tape, Tensor x, Tensor residual) => Residual.Add(
        tape, _project, _expand.Forward(tape, x, Activation.GeluTanh), _dropout, residual);
}

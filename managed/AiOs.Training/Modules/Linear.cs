using AiOs.Tensors;

namespace AiOs.Training.Modules;

/// <summary>
/// y = x W + b over the last dimension. W is [inputs, outputs], the layout of GPT-2's weights in Hugging Face files.
/// </summary>
public sealed class Linear : Module
{
    private readonly Tensor _weight;
    private readonly Tensor _bias;

    /// <summary>Makes the layer with normal weights and a zero bias.</summary>
    /// <param name="init">Where the initial values come from.</param>
    /// <param name="inputs">Last extent of the input.</param>
    /// <param name="outputs">Last extent of the output.</param>
    /// <param name="deviation">Standard deviation of the initial weights.</param>
    /// <param name="bias">False for a layer without b.</param>
    public Linear(Initializer init, int inputs, int outputs, double deviation = Initializer.Gpt2Deviation, bool bias = true)
    {
        ArgumentNullException.ThrowIfNull(init);
        _weight = Register("weight", init.Normal(deviation, inputs, outputs));
        _bias = bias ? Register("bias", init.Constant(0, outputs)) : default;
    }

    /// <summary>Applies the layer to x [..., inputs].</summary>
    public override Tensor Forward(Tape tape, Tensor x) => Forward(tape, x, Activation.None);

    /// <summary>Applies the layer and what follows it in one launch.</summary>
    /// <param name="tape">Where the op is recorded.</param>
    /// <param name="x">[..., inputs].</param>
    /// <param name="activation">Applied to x W + b.</param>
    /// <param name="residual">[..., outputs], added at the end; null for nothing.</param>
    public Tensor Forward(Tape tape, Tensor x, Activation activation, Tensor residual = default) =>
        Ops.Linear(tape, x, _weight, _bias, activation, residual);
}

using AiOs.Tensors;

namespace AiOs.Training.Modules;

/// <summary>The end of both halves of a block: projection, dropout, sum with what went around the half.</summary>
internal static class Residual
{
    /// <summary>residual + dropout(projection(x)), in one launch when nothing is dropped.</summary>
    public static Tensor Add(Tape tape, Linear projection, Tensor x, Dropout dropout, Tensor residual)
    {
        if (!dropout.IsActive)
        {
            return projection.Forward(tape, x, Activation.None, residual);
        }

        Tensor dropped = dropout.Forward(tape, projection.Forward(tape, x));
        return residual.IsNull ? dropped : Ops.Add(tape, residual, dropped);
    }
}

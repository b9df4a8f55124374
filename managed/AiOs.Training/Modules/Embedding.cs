using AiOs.Tensors;

namespace AiOs.Training.Modules;

/// <summary>A table of vectors looked up by id.</summary>
public sealed class Embedding : Module
{
    /// <summary>Makes the table [count, width] with normal values of deviation 0.02.</summary>
    public Embedding(Initializer init, int count, int width)
    {
        ArgumentNullException.ThrowIfNull(init);
        Weight = Register("weight", init.Normal(Initializer.Gpt2Deviation, count, width));
    }

    /// <summary>The table, [count, width].</summary>
    public Tensor Weight { get; }

    /// <summary>Looks up ids I32 of any shape S: the result is [S, width].</summary>
    public override Tensor Forward(Tape tape, Tensor x) => Ops.Embedding(tape, x, Weight);
}

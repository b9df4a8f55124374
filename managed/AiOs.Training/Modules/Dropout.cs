using AiOs.Tensors;

namespace AiOs.Training.Modules;

/// <summary>
/// Inverted dropout (Srivastava et al., 2014) while training, nothing otherwise. The mask is a function of the tape's
/// seed and step (<see cref="Tape.SeedRandom"/>), so that a resumed run drops what an uninterrupted one would.
/// </summary>
public sealed class Dropout : Module
{
    private readonly float _probability;

    /// <summary>Makes the layer.</summary>
    /// <param name="probability">Chance of an element to become 0; 0 or more and below 1.</param>
    public Dropout(float probability)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(probability);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(probability, 1f);
        _probability = probability;
    }

    /// <summary>True when the layer changes its input.</summary>
    public bool IsActive => Training && _probability > 0;

    /// <summary>Drops elements of x, of any shape.</summary>
    public override Tensor Forward(Tape tape, Tensor x) => IsActive ? Ops.Dropout(tape, x, _probability) : x;
}

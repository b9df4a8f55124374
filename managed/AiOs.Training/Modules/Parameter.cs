using AiOs.Tensors;

namespace AiOs.Training.Modules;

/// <summary>A tensor that training changes, and its name.</summary>
public sealed class Parameter
{
    internal Parameter(string name, Tensor value) => (Name, Value) = (name, value);

    /// <summary>Dotted path from the module that was asked for its parameters.</summary>
    public string Name { get; }

    /// <summary>The values; its gradient is <see cref="Tensor.Grad"/>.</summary>
    public Tensor Value { get; }

    /// <summary>
    /// True for parameters of two or more dimensions, the ones weight decay is for; biases and gains go without.
    /// </summary>
    public bool Decay => Value.Rank >= 2;
}

using System.Globalization;
using AiOs.Tensors;

namespace AiOs.Training.Modules;

/// <summary>Modules one after the other; their parameters are named by their place: "0.weight", "1.weight".</summary>
public sealed class Sequential : Module
{
    private readonly Module[] _modules;

    /// <summary>Makes the chain, which owns the modules from now on.</summary>
    public Sequential(params Module[] modules)
    {
        ArgumentNullException.ThrowIfNull(modules);
        _modules = [.. modules];
        for (int i = 0; i < modules.Length; i++)
        {
            Register(i.ToString(CultureInfo.InvariantCulture), modules[i]);
        }
    }

    /// <summary>Gives x to the first module and each result to the next.</summary>
    public override Tensor Forward(Tape tape, Tensor x)
    {
        foreach (Module module in _modules)
        {
            x = module.Forward(tape, x);
        }

        return x;
    }
}

using AiOs.Tensors;

namespace AiOs.Training.Modules;

/// <summary>
/// A differentiable function with parameters. A module owns its parameters and its children; disposing it disposes
/// them.
/// </summary>
public abstract class Module : IDisposable
{
    private readonly List<(string Name, Tensor Value)> _own = [];
    private readonly List<(string Name, Module Module)> _children = [];
    private IReadOnlyList<Parameter>? _parameters;
    private bool _training = true;
    private bool _disposed;

    /// <summary>All parameters, of the children too, in the order they were made, with dotted names.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters ??= Collect();

    /// <summary>True while training, when dropout is active; setting it sets the children's.</summary>
    public bool Training
    {
        get => _training;
        set
        {
            _training = value;
            foreach ((_, Module child) in _children)
            {
                child.Training = value;
            }
        }
    }

    /// <summary>Number of elements of all parameters.</summary>
    public long ParameterCount => Parameters.Sum(p => p.Value.Length);

    /// <summary>Applies the module.</summary>
    /// <param name="tape">Where the ops are recorded; it owns the result.</param>
    /// <param name="x">The input; its shape is the module's to say.</param>
    public abstract Tensor Forward(Tape tape, Tensor x);

    /// <summary>Makes the next backward pass overwrite the gradients instead of adding to them.</summary>
    public void ZeroGrad()
    {
        for (int i = 0; i < Parameters.Count; i++)
        {
            Parameters[i].Value.ClearGrad();
        }
    }

    /// <summary>Disposes the parameters and the children.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Disposes the parameters and the children.</summary>
    /// <param name="disposing">True when called by <see cref="Dispose()"/>.</param>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing && !_disposed)
        {
            _disposed = true;
            _own.ForEach(own => own.Value.Dispose());
            _children.ForEach(child => child.Module.Dispose());
        }
    }

    /// <summary>Makes a tensor a parameter of this module, which owns it from now on.</summary>
    protected Tensor Register(string name, Tensor value)
    {
        _own.Add((name, value.WithGrad()));
        _parameters = null;
        return value;
    }

    /// <summary>Makes a module a child of this one, which owns it from now on.</summary>
    protected T Register<T>(string name, T module)
        where T : Module
    {
        ArgumentNullException.ThrowIfNull(module);
        _children.Add((name, module));
        _parameters = null;
        return module;
    }

    private List<Parameter> Collect() =>
    [
        .. _own.Select(own => new Parameter(own.Name, own.Value)),
        .. _children.SelectMany(c => c.Module.Parameters.Select(p => new Parameter($"{c.Name}.{p.Name}", p.Value))),
    ];
}

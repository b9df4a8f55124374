using AiOs.Interop;
using AiOs.Tensors;
using AiOs.Training.Modules;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Optimizers;

/// <summary>Changes parameters by their gradients.</summary>
public abstract class Optimizer : IDisposable
{
    private readonly List<(string Name, Tensor Value)> _state = [];

    /// <summary>Makes an optimizer of parameters that stay the module's.</summary>
    /// <param name="parameters">What it changes.</param>
    /// <param name="stream">The stream of its launches, on which the gradients are made.</param>
    private protected Optimizer(IReadOnlyList<Parameter> parameters, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(stream);
        (Parameters, Stream) = (parameters, stream);
        Masters = [.. parameters.Select(AddMaster)];
    }

    /// <summary>What it changes.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>
    /// For each parameter its binary32 master, a part of the state: the optimizer updates it and gives the parameter the
    /// result rounded, so that updates smaller than the parameter's precision add up. Null for an F32 parameter, which is
    /// its own. A master starts as the parameter's value.
    /// </summary>
    public IReadOnlyList<Tensor> Masters { get; }

    /// <summary>Steps done; a resumed optimizer is told how many.</summary>
    public long Steps { get; set; }

    /// <summary>The tensors that make the next step what it is, with unique names; they belong to the optimizer.</summary>
    public IReadOnlyList<(string Name, Tensor Value)> State => _state;

    /// <summary>The stream of its launches.</summary>
    protected Stream Stream { get; }

    /// <summary>Enqueues one step.</summary>
    /// <param name="learningRate">Learning rate of this step.</param>
    /// <param name="clipper">
    /// Its scale multiplies the gradients; <see cref="GradientClipper.Measure"/> was called before. Null for no scale.
    /// </param>
    /// <exception cref="AiOs.Runtime.AiOsException">A parameter has no gradient.</exception>
    public void Step(double learningRate, GradientClipper? clipper = null)
    {
        Launch(learningRate, clipper?.ScaleAddress ?? 0, Steps + 1);
        Steps++;
    }

    /// <summary>Makes the next backward pass overwrite the gradients instead of adding to them.</summary>
    public void ZeroGrad()
    {
        for (int i = 0; i < Parameters.Count; i++)
        {
            Parameters[i].Value.ClearGrad();
        }
    }

    /// <summary>Frees the state.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the state.</summary>
    /// <param name="disposing">True when called by <see cref="Dispose()"/>.</param>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing)
        {
            _state.ForEach(s => s.Value.Dispose());
        }
    }

    /// <summary>Enqueues step number <paramref name="step"/>, counted from 1.</summary>
    private protected abstract void Launch(double learningRate, nint scale, long step);

    /// <summary>Address of the master of a parameter; null when it has none.</summary>
    private protected unsafe float* MasterOf(int index) => Masters[index].IsNull ? null : (float*)Masters[index].Pointer;

    private unsafe Tensor AddMaster(Parameter parameter)
    {
        Tensor value = parameter.Value;
        if (value.DType == DType.F32)
        {
            return default;
        }

        Tensor master = Tensor.Empty(Stream, DType.F32, value.Shape);
        _state.Add(($"master.{parameter.Name}", master));
        Stream.Check(
            Stream.Device.Kernels.aios_cast(
                Stream.Handle, (void*)master.Pointer, (void*)value.On(Stream), value.Length, aios_dtype.F32, (aios_dtype)value.DType),
            nameof(KernelTable.aios_cast));
        return master;
    }

    /// <summary>One zeroed F32 tensor per parameter, a part of the state.</summary>
    private protected Tensor[] AddState(string prefix)
    {
        Tensor[] tensors = [.. Parameters.Select(p => Tensor.Zeros(Stream, DType.F32, p.Value.Shape))];
        _state.AddRange(tensors.Select((t, i) => ($"{prefix}.{Parameters[i].Name}", t)));
        return tensors;
    }
}

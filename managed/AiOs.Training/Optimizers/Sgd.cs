using AiOs.Interop;
using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Modules;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Optimizers;

/// <summary>Settings of <see cref="Sgd"/>.</summary>
public sealed record SgdOptions
{
    /// <summary>How much of the last step's velocity stays; 0 for plain descent.</summary>
    public double Momentum { get; init; }

    /// <summary>L2 coefficient of the parameters whose <see cref="Parameter.Decay"/> is true.</summary>
    public double WeightDecay { get; init; }
}

/// <summary>Stochastic gradient descent with momentum (Sutskever et al., 2013), all parameters in one launch.</summary>
public sealed unsafe class Sgd : Optimizer
{
    private readonly SgdOptions _options;
    private readonly Tensor[] _velocity;
    private readonly DeviceTable<aios_sgd_tensor> _table;

    /// <summary>Makes the optimizer.</summary>
    /// <exception cref="AiOsException">A setting is out of range.</exception>
    public Sgd(IReadOnlyList<Parameter> parameters, Stream stream, SgdOptions? options = null)
        : base(parameters, stream)
    {
        _options = options ?? new SgdOptions();
        if (!(_options.Momentum is >= 0 and < 1) || !(_options.WeightDecay >= 0))
        {
            throw new AiOsException(
                $"momentum {_options.Momentum} must be 0 or more and less than 1, and weight decay {_options.WeightDecay} 0 or more");
        }

        _velocity = _options.Momentum > 0 ? AddState("momentum") : [];
        _table = new DeviceTable<aios_sgd_tensor>(parameters, stream, MakeRow);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _table.Dispose();
        }

        base.Dispose(disposing);
    }

    private protected override void Launch(double learningRate, nint scale, long step)
    {
        var rows = (aios_sgd_tensor*)_table.Update(Stream);
        Stream.Check(
            Stream.Device.Kernels.aios_sgd(
                Stream.Handle, rows, (float*)scale, Parameters.Count, step, learningRate, _options.Momentum),
            nameof(KernelTable.aios_sgd));
    }

    private aios_sgd_tensor MakeRow(int index, nint gradient)
    {
        Parameter parameter = Parameters[index];
        return new aios_sgd_tensor
        {
            param = (void*)parameter.Value.Pointer,
            grad = (void*)gradient,
            master = MasterOf(index),
            velocity = _velocity.Length == 0 ? null : (float*)_velocity[index].Pointer,
            n = parameter.Value.Length,
            weight_decay = parameter.Decay ? _options.WeightDecay : 0,
            dtype = (aios_dtype)parameter.Value.DType,
        };
    }
}

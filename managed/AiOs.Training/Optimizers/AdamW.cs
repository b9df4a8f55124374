using AiOs.Interop;
using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Modules;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Optimizers;

/// <summary>Settings of <see cref="AdamW"/>.</summary>
public sealed record AdamWOptions
{
    /// <summary>Decay of the first moments; 0 or more and below 1.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the second moments; 0 or more and below 1.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>Added to the root of the second moments.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay of the parameters whose <see cref="Parameter.Decay"/> is true.</summary>
    public double WeightDecay { get; init; } = 0.1;
}

/// <summary>Adam with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101), all parameters in one launch.</summary>
public sealed unsafe class AdamW : Optimizer
{
    private readonly AdamWOptions _options;
    private readonly Tensor[] _first;
    private readonly Tensor[] _second;
    private readonly DeviceTable<aios_adamw_tensor> _table;

    /// <summary>Makes the optimizer with zeroed moments.</summary>
    /// <exception cref="AiOsException">A setting is out of range.</exception>
    public AdamW(IReadOnlyList<Parameter> parameters, Stream stream, AdamWOptions? options = null)
        : base(parameters, stream)
    {
        _options = options ?? new AdamWOptions();
        Validate(_options);
        _first = AddState("exp_avg");
        _second = AddState("exp_avg_sq");
        _table = new DeviceTable<aios_adamw_tensor>(parameters, stream, MakeRow);
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
        var rows = (aios_adamw_tensor*)_table.Update(Stream);
        Stream.Check(
            Stream.Device.Kernels.aios_adamw(
                Stream.Handle, rows, (float*)scale, Parameters.Count, step, learningRate,
                _options.Beta1, _options.Beta2, _options.Epsilon),
            nameof(KernelTable.aios_adamw));
    }

    private static void Validate(AdamWOptions options)
    {
        if (!(options.Beta1 is >= 0 and < 1) || !(options.Beta2 is >= 0 and < 1))
        {
            throw new AiOsException(
                $"--beta1 {options.Beta1} and --beta2 {options.Beta2} must be 0 or more and less than 1; usual are 0.9 and 0.95");
        }

        if (!(options.Epsilon >= 0 && double.IsFinite(options.Epsilon)) ||
            !(options.WeightDecay >= 0 && double.IsFinite(options.WeightDecay)))
        {
            throw new AiOsException(
                $"epsilon {options.Epsilon} and --weight-decay {options.WeightDecay} must be numbers of 0 or more; usual are 1e-8 and 0.1");
        }
    }

    private aios_adamw_tensor MakeRow(int index, nint gradient)
    {
        Parameter parameter = Parameters[index];
        return new aios_adamw_tensor
        {
            param = (void*)parameter.Value.Pointer,
            grad = (void*)gradient,
            master = MasterOf(index),
            m = (float*)_first[index].Pointer,
            v = (float*)_second[index].Pointer,
            n = parameter.Value.Length,
            weight_decay = parameter.Decay ? _options.WeightDecay : 0,
            dtype = (aios_dtype)parameter.Value.DType,
        };
    }
}

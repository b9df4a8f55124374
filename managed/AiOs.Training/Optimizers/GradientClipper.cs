using AiOs.Interop;
using AiOs.Runtime;
using AiOs.Training.Modules;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Optimizers;

/// <summary>
/// Measures the norm of all gradients together and the factor that clips it (Pascanu et al., arXiv:1211.5063). Both
/// stay on the device, where the optimizer reads the factor: nothing waits for the host.
/// </summary>
public sealed unsafe class GradientClipper : IDisposable
{
    private readonly Stream _stream;
    private readonly double _maxNorm;
    private readonly int _count;
    private readonly long _total;
    private readonly DeviceTable<aios_norm_tensor> _table;
    private readonly DeviceMemory<float> _result;
    private readonly DeviceMemory<byte> _workspace;

    /// <summary>Makes a clipper of the gradients of some parameters.</summary>
    /// <param name="parameters">Whose gradients are measured.</param>
    /// <param name="stream">The stream on which the gradients are made.</param>
    /// <param name="maxNorm">Greatest norm that is let through; 0 or less only measures.</param>
    public GradientClipper(IReadOnlyList<Parameter> parameters, Stream stream, double maxNorm)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(stream);
        (_stream, _maxNorm, _count) = (stream, maxNorm, parameters.Count);
        _total = parameters.Sum(p => p.Value.Length);
        _table = new DeviceTable<aios_norm_tensor>(parameters, stream, (index, gradient) => new aios_norm_tensor
        {
            data = (void*)gradient,
            n = parameters[index].Value.Length,
            dtype = (aios_dtype)parameters[index].Value.DType,
        });
        _result = stream.Device.Allocate<float>(2, stream);
        long bytes = stream.Device.Kernels.aios_global_norm_workspace_size(_count, _total);
        _workspace = stream.Device.Allocate<byte>(Math.Max(1, bytes), stream);
    }

    /// <summary>Device address of the norm, an F32, valid after <see cref="Measure"/> has run.</summary>
    public nint NormAddress => _result.Pointer;

    /// <summary>Device address of the factor, an F32: min(1, maxNorm / (norm + 1e-6)), or 1 without a limit.</summary>
    public nint ScaleAddress => _result.Pointer + sizeof(float);

    /// <summary>Enqueues the measurement of the gradients as they are now.</summary>
    /// <exception cref="AiOsException">A parameter has no gradient.</exception>
    public void Measure()
    {
        var rows = (aios_norm_tensor*)_table.Update(_stream);
        _stream.Check(
            _stream.Device.Kernels.aios_global_norm(
                _stream.Handle, (float*)_result.Pointer, rows, (void*)_workspace.Pointer, _workspace.Length,
                _count, _total, _maxNorm),
            nameof(KernelTable.aios_global_norm));
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        _table.Dispose();
        _result.Dispose();
        _workspace.Dispose();
    }
}

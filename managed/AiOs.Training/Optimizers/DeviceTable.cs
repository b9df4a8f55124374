using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Modules;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Optimizers;

/// <summary>
/// A table in device memory with one row per parameter, for launchers that work on many tensors at once. Gradient
/// buffers keep their place from step to step, so that the table is written once and then only checked.
/// </summary>
internal sealed class DeviceTable<TRow> : IDisposable
    where TRow : unmanaged
{
    private readonly IReadOnlyList<Parameter> _parameters;
    private readonly Func<int, nint, TRow> _makeRow;
    private readonly nint[] _gradients;
    private readonly TRow[] _rows;
    private readonly DeviceMemory<TRow> _memory;

    /// <summary>Makes the table; a row is made from the index of a parameter and the address of its gradient.</summary>
    public DeviceTable(IReadOnlyList<Parameter> parameters, Stream stream, Func<int, nint, TRow> makeRow)
    {
        (_parameters, _makeRow) = (parameters, makeRow);
        (_gradients, _rows) = (new nint[parameters.Count], new TRow[parameters.Count]);
        _memory = stream.Device.Allocate<TRow>(Math.Max(1, parameters.Count), stream);
    }

    /// <summary>The address of the rows, which hold the gradients as they are now.</summary>
    /// <exception cref="AiOsException">A parameter has no gradient.</exception>
    public nint Update(Stream stream)
    {
        bool changed = false;
        for (int i = 0; i < _gradients.Length; i++)
        {
            Tensor gradient = _parameters[i].Value.Grad;
            if (gradient.IsNull)
            {
                throw new AiOsException(
                    $"parameter {_parameters[i].Name} has no gradient; make the loss depend on it or leave it out of the optimizer");
            }

            nint address = gradient.On(stream);
            _parameters[i].Value.On(stream);
            if (_gradients[i] != address)
            {
                _gradients[i] = address;
                _rows[i] = _makeRow(i, address);
                changed = true;
            }
        }

        if (changed)
        {
            _memory.CopyFrom(_rows, stream);
        }

        return _memory.Pointer;
    }

    public void Dispose() => _memory.Dispose();
}

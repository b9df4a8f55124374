using AiOs.Tensors;
using AiOs.Training.Data;
using AiOs.Training.Modules;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training;

/// <summary>Measures a model on data it is not trained on.</summary>
internal sealed class Validator
{
    private readonly Stream _stream;
    private readonly Gpt _model;
    private readonly ITokenSource _data;
    private readonly WindowOrder _order;
    private readonly int _rows;

    /// <summary>Measures in batches of <paramref name="rows"/> windows.</summary>
    /// <exception cref="AiOs.Runtime.AiOsException">The data have fewer tokens than one window.</exception>
    public Validator(Stream stream, Gpt model, ITokenSource data, int rows)
    {
        (_stream, _model, _data) = (stream, model, data);
        _order = new WindowOrder(data, model.Config.Block, DataOrder.Sequential, 0);
        _rows = (int)Math.Min(rows, _order.Windows);
    }

    /// <summary>
    /// Mean cross-entropy, in nats per token, of <paramref name="batches"/> batches whose windows are spread evenly
    /// over the data; of all windows when that is 0 or more than there are.
    /// </summary>
    public double Measure(int batches)
    {
        long windows = batches == 0 ? _order.Windows : Math.Min(_order.Windows, (long)batches * _rows);
        bool training = _model.Training;
        _model.Training = false;
        using var tape = new Tape(_stream, recording: false);
        var window = new int[_order.Block + 1];
        double sum = 0;
        for (long first = 0; first < windows; first += _rows)
        {
            int rows = (int)Math.Min(_rows, windows - first);
            var ids = new int[rows * _order.Block];
            var targets = new int[rows * _order.Block];
            for (int row = 0; row < rows; row++)
            {
                Int128 place = (Int128)(first + row) * _order.Windows / windows;
                _data.Read(_order.StartOf((long)place), window);
                window.AsSpan(0, _order.Block).CopyTo(ids.AsSpan(row * _order.Block));
                window.AsSpan(1).CopyTo(targets.AsSpan(row * _order.Block));
            }

            sum += rows * Loss(tape, ids, targets, rows);
        }

        _model.Training = training;
        return sum / windows;
    }

    private double Loss(Tape tape, int[] ids, int[] targets, int rows)
    {
        using Tensor inputs = Tensor.From<int>(_stream, ids, rows, _order.Block);
        using Tensor outputs = Tensor.From<int>(_stream, targets, rows, _order.Block);
        double loss = _model.Loss(tape, inputs, outputs).Item(_stream);
        tape.Reset();
        return loss;
    }
}

using AiOs.Runtime;

namespace AiOs.Training.Data;

/// <summary>
/// Fills batches ahead of their use on a background thread, into pinned buffers that are used again and again. Which
/// tokens a batch holds depends on its number alone. One thread consumes: <see cref="Next"/>, use,
/// <see cref="Release"/>.
/// </summary>
public sealed class BatchLoader : IDisposable
{
    private readonly ITokenSource _source;
    private readonly WindowOrder _order;
    private readonly TokenBatch[] _slots;
    private readonly int[] _window;
    private readonly int _rows;
    private readonly Thread _thread;
    private readonly Lock _gate = new();
    private readonly AutoResetEvent _changed = new(false);
    private readonly AutoResetEvent _filled = new(false);
    private readonly long _end;
    private long _written;
    private long _read;
    private long _released;
    private Exception? _failure;
    private bool _stopping;

    /// <summary>Starts loading.</summary>
    /// <param name="device">Its pinned memory holds the batches.</param>
    /// <param name="source">The tokens.</param>
    /// <param name="order">Which window comes when.</param>
    /// <param name="rows">Windows of a batch.</param>
    /// <param name="first">Number of the first batch; batch n holds windows n·rows … n·rows + rows - 1.</param>
    /// <param name="count">How many batches there will be.</param>
    /// <param name="depth">How many batches are held at once.</param>
    public BatchLoader(
        Device device, ITokenSource source, WindowOrder order, int rows, long first, long count, int depth = 4)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(order);
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfLessThan(depth, 1);
        (_source, _order, _rows) = (source, order, rows);
        (_written, _read, _released, _end) = (first, first, first, first + count);
        _window = new int[order.Block + 1];
        _slots = [.. Enumerable.Range(0, depth).Select(_ => new TokenBatch(device, checked(rows * order.Block)))];
        _thread = new Thread(Fill) { IsBackground = true, Name = "AiOs batch loader" };
        _thread.Start();
    }

    /// <summary>The next batch; waits until it is filled. It stays as it is until it is released.</summary>
    /// <exception cref="InvalidOperationException">All batches were handed out.</exception>
    /// <exception cref="AiOsException">The tokens could not be read.</exception>
    public TokenBatch Next()
    {
        if (_read == _end)
        {
            throw new InvalidOperationException("all batches were handed out");
        }

        while (true)
        {
            lock (_gate)
            {
                if (_read < _written)
                {
                    return _slots[_read++ % _slots.Length];
                }

                if (_failure is not null)
                {
                    throw new AiOsException($"{_source.Name}: cannot be read ({_failure.Message}); check the file", _failure);
                }
            }

            _filled.WaitOne();
        }
    }

    /// <summary>Gives the oldest batch that was handed out back for filling.</summary>
    public void Release()
    {
        lock (_gate)
        {
            if (_released == _read)
            {
                throw new InvalidOperationException("no batch is handed out");
            }

            _released++;
        }

        _changed.Set();
    }

    /// <summary>Stops the thread and frees the buffers; copies from them must have run.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_stopping)
            {
                return;
            }

            _stopping = true;
        }

        _changed.Set();
        _thread.Join();
        foreach (TokenBatch slot in _slots)
        {
            slot.Dispose();
        }

        _changed.Dispose();
        _filled.Dispose();
    }

    private void Fill()
    {
        try
        {
            while (WaitForRoom(out long number))
            {
                Fill(_slots[number % _slots.Length], number);
                lock (_gate)
                {
                    _written++;
                }

                _filled.Set();
            }
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            lock (_gate)
            {
                _failure = e;
            }

            _filled.Set();
        }
    }

    private bool WaitForRoom(out long number)
    {
        while (true)
        {
            lock (_gate)
            {
                number = _written;
                if (_stopping || _written == _end)
                {
                    return false;
                }

                if (_written - _released < _slots.Length)
                {
                    return true;
                }
            }

            _changed.WaitOne();
        }
    }

    private void Fill(TokenBatch batch, long number)
    {
        Span<int> inputs = batch.Inputs.GetSpan(), targets = batch.Targets.GetSpan();
        int block = _order.Block;
        for (int row = 0; row < _rows; row++)
        {
            _source.Read(_order.StartOf((number * _rows) + row), _window);
            _window.AsSpan(0, block).CopyTo(inputs[(row * block)..]);
            _window.AsSpan(1, block).CopyTo(targets[(row * block)..]);
        }
    }
}

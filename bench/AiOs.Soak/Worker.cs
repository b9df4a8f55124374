using AiOs.Runtime;
using AiOs.Tensors;

namespace AiOs.Soak;

/// <summary>
/// One thread with some streams of its own: makes, uses, hands on and disposes tensors at random. Every tensor has one
/// value in all its elements, which the worker knows, so that memory given to two owners, or too early, is seen in a sum.
/// </summary>
internal sealed class Worker : IDisposable
{
    private const long LargestLength = 1 << 20;
    private const long Budget = 96L << 20;

    private readonly Device _device;
    private readonly Random _random;
    private readonly Stream[] _streams;
    private readonly Tape[] _tapes;
    private readonly List<Held> _held = [];
    private readonly Stack<Event> _events = new();
    private long _bytes;

    /// <summary>Makes a worker.</summary>
    /// <param name="device">The device of all workers.</param>
    /// <param name="streams">Number of streams.</param>
    /// <param name="seed">Decides what is done.</param>
    public Worker(Device device, int streams, int seed)
    {
        _device = device;
        _random = new Random(seed);
        _streams = [.. Enumerable.Range(0, streams).Select(_ => device.CreateStream())];
        _tapes = Array.ConvertAll(_streams, stream => new Tape(stream));
    }

    /// <summary>A tensor with the value of all its elements; the event is recorded behind the work that writes it.</summary>
    private sealed record Held(Tensor Tensor, float Value, Event Written);

    /// <summary>Operations done.</summary>
    public long Operations { get; private set; }

    /// <summary>Does one thing.</summary>
    /// <exception cref="InvalidDataException">A tensor does not have the value that it must have.</exception>
    public void Step()
    {
        int stream = _random.Next(_streams.Length);
        int choice = _bytes > Budget ? 99 : _random.Next(100);
        Action<int> action = choice switch
        {
            _ when _held.Count == 0 => Make,
            < 30 => Make,
            < 55 => Compute,
            < 58 => Differentiate,
            < 62 => Exchange,
            < 68 => Check,
            < 69 when _random.Next(200) == 0 => Renew,
            _ => Drop,
        };
        action(stream);
        Operations++;
    }

    /// <summary>Checks and disposes everything.</summary>
    public void Dispose()
    {
        while (_held.Count > 0)
        {
            Check(0);
            Drop(0);
        }

        Array.ForEach(_tapes, tape => tape.Dispose());
        Array.ForEach(_streams, stream => stream.Dispose());
        while (_events.TryPop(out Event? done))
        {
            done.Dispose();
        }
    }

    private void Make(int stream)
    {
        float value = _random.Next(-100, 100);
        Keep(stream, Tensor.Full(_streams[stream], DType.F32, value, Length()), value);
    }

    /// <summary>A tensor of another stream is read on this one, and may be freed before that has run.</summary>
    private void Compute(int stream)
    {
        Held a = Ready(stream);
        Held? b = _held.Find(other => other != a && other.Tensor.Length == a.Tensor.Length);
        float shift = _random.Next(-10, 10);
        float value = a.Value + (b?.Value ?? shift);
        if (MathF.Abs(value) > 1 << 20)
        {
            return;
        }

        if (b is not null)
        {
            _streams[stream].WaitFor(b.Written);
        }

        Tape tape = _tapes[stream];
        Tensor sum = b is not null ? Ops.Add(tape, a.Tensor, b.Tensor) : Ops.Affine(tape, Ops.Affine(tape, a.Tensor, -1, 0), -1, shift);
        Keep(stream, tape.Keep(sum), value);
        tape.Reset();
    }

    private void Differentiate(int stream)
    {
        Tape tape = _tapes[stream];
        float value = _random.Next(1, 50);
        using Tensor leaf = Tensor.Full(_streams[stream], DType.F32, value, _random.Next(1, 2000)).WithGrad();
        tape.Backward(Ops.Sum(tape, Ops.Square(tape, leaf)));
        Expect(leaf.Grad, stream, 2 * value);
    }

    /// <summary>Out to another library, for reading as other streams may do just now, and in again, where it outlives the tensor; the last owner gives it back on another thread.</summary>
    private void Exchange(int stream)
    {
        Held a = Ready(stream);
        DLPackHandle handle = a.Tensor.ToDLPack(_streams[stream], readOnly: true);
        using Tensor shared = Tensor.FromDLPack(a.Tensor.ToDLPack(_streams[stream], readOnly: true), _streams[stream]);
        Expect(shared, stream, a.Value);
        ThreadPool.UnsafeQueueUserWorkItem(static exported => exported.Dispose(), handle, preferLocal: false);
    }

    private void Check(int stream)
    {
        Held held = Ready(stream);
        Expect(held.Tensor, stream, held.Value);
    }

    /// <summary>A stream goes, with its tensors in use elsewhere, and another takes its place.</summary>
    private void Renew(int stream)
    {
        _tapes[stream].Dispose();
        _streams[stream].Dispose();
        _streams[stream] = _device.CreateStream();
        _tapes[stream] = new Tape(_streams[stream]);
    }

    private void Drop(int stream)
    {
        int place = _random.Next(_held.Count);
        Held held = _held[place];
        _held[place] = _held[^1];
        _held.RemoveAt(_held.Count - 1);
        _bytes -= held.Tensor.Length * sizeof(float);
        held.Tensor.Dispose();
        _events.Push(held.Written);
    }

    private Held Ready(int stream)
    {
        Held held = _held[_random.Next(_held.Count)];
        _streams[stream].WaitFor(held.Written);
        return held;
    }

    private void Keep(int stream, Tensor tensor, float value)
    {
        Event written = _events.TryPop(out Event? used) ? used : _device.CreateEvent();
        _streams[stream].Record(written);
        _held.Add(new Held(tensor, value, written));
        _bytes += tensor.Length * sizeof(float);
    }

    private void Expect(Tensor tensor, int stream, float value)
    {
        using HostTensor<float> host = tensor.ToHost<float>(_streams[stream]);
        ReadOnlySpan<float> values = host.Memory.ReadOnlySpan;
        int wrong = values.IndexOfAnyExcept(value);
        if (wrong >= 0)
        {
            throw new InvalidDataException($"element {wrong} of {tensor} is {values[wrong]} and must be {value}, after {Operations} operations");
        }
    }

    /// <summary>Lengths over all magnitudes, some of them often.</summary>
    private long Length() => _random.Next(3) == 0
        ? 1L << _random.Next(0, 21)
        : (long)Math.Pow(LargestLength, _random.NextDouble());
}

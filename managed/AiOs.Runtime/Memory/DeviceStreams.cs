namespace AiOs.Runtime;

/// <summary>The streams of a device by their numbers, and the waits that its allocator asks for.</summary>
internal sealed class DeviceStreams(Device device) : IStreamWaits
{
    private volatile Stream?[] _streams = [];

    /// <summary>Binds a number to a stream, or to none when the stream is gone. Callers take turns.</summary>
    public void Bind(int number, Stream? stream)
    {
        Stream?[] streams = _streams;
        Array.Resize(ref streams, Math.Max(streams.Length, number + 1));
        streams[number] = stream;
        _streams = streams;
    }

    /// <inheritdoc/>
    public void Wait(int stream, int other)
    {
        if (_streams[stream] is { IsDisposed: false } waiting && _streams[other] is { IsDisposed: false } awaited)
        {
            using Event reached = device.CreateEvent();
            awaited.Record(reached);
            waiting.WaitFor(reached);
        }
    }

    /// <inheritdoc/>
    public void Synchronize() => device.Drain();
}

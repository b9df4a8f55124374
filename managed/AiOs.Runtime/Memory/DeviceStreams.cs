namespace AiOs.Runtime;

/// <summary>
/// The streams of a device by their numbers, and what its allocator asks of them. Whoever frees a block may do so while another
/// thread disposes the block's stream: streams are only used by their methods for other threads, and one that turns out to be
/// gone is replaced by the next.
/// </summary>
internal sealed class DeviceStreams(Device device) : IStreamWaits, IStreamMemory
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
            awaited.RecordAside(reached);
            waiting.WaitAside(reached);
        }
    }

    /// <inheritdoc/>
    public void Synchronize() => device.Drain();

    /// <inheritdoc/>
    public void Fill(int stream, nint address, byte value, long bytes)
    {
        while (Find(stream) is { } filling)
        {
            // Memory of a graph has no stream of its own, and is set in the order of the capture.
            if (filling.TryFillAside(address, value, bytes, captured: _streams[stream] != filling))
            {
                Settle(stream, filling);
                return;
            }
        }
    }

    /// <inheritdoc/>
    public unsafe bool TryRead(int stream, nint address, Span<byte> destination)
    {
        fixed (byte* pointer = destination)
        {
            while (Find(stream) is { } reading)
            {
                if (reading.TryReadAside((nint)pointer, address, destination.Length, out bool read))
                {
                    return read;
                }
            }

            return false;
        }
    }

    /// <summary>The stream of a number, or any other when it is gone; null when all are.</summary>
    private Stream? Find(int number) =>
        _streams[number] is { IsDisposed: false } stream ? stream : Array.Find(_streams, other => other is { IsDisposed: false });

    /// <summary>Waits for work that another stream does for one that is gone.</summary>
    private void Settle(int number, Stream stream)
    {
        if (_streams[number] != stream)
        {
            stream.Drain();
        }
    }
}

namespace AiOs.Runtime;

/// <summary>A stream of a scheduler with events behind its last operations.</summary>
internal sealed class ScheduledStream(Stream stream, bool isOwned) : IDisposable
{
    /// <summary>Operations that can be waited for one by one; older ones are waited for with the oldest of these.</summary>
    private const int Kept = 64;

    private readonly Event?[] _events = new Event?[Kept];
    private readonly long[] _stamps = new long[Kept];
    private long _operations;

    public Stream Stream { get; } = stream;

    /// <summary>When it was last chosen.</summary>
    public long LastUse { get; set; }

    /// <summary>Records an event behind the operation that was enqueued with a stamp.</summary>
    public void Close(long stamp)
    {
        int slot = (int)(_operations++ % Kept);
        _stamps[slot] = stamp;
        Stream.Record(_events[slot] ??= Stream.Device.CreateEvent());
    }

    /// <summary>The first kept event behind the operation with a stamp.</summary>
    public Event Behind(long stamp)
    {
        long low = Math.Max(0, _operations - Kept), high = _operations - 1;
        while (low < high)
        {
            long middle = (low + high) / 2;
            (low, high) = _stamps[middle % Kept] >= stamp ? (low, middle) : (middle + 1, high);
        }

        return _events[low % Kept]!;
    }

    public void Dispose()
    {
        foreach (Event? recorded in _events)
        {
            recorded?.Dispose();
        }

        if (isOwned)
        {
            Stream.Dispose();
        }
    }
}

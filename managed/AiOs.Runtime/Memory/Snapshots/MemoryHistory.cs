using System.Collections.Immutable;
using System.Diagnostics;

namespace AiOs.Runtime;

/// <summary>The last events of a device's memory, as many as there is room for. Safe for several threads.</summary>
/// <param name="capacity">Events that are kept.</param>
internal sealed class MemoryHistory(int capacity)
{
    private readonly Lock _gate = new();
    private readonly List<MemoryEvent> _ring = [];
    private readonly long _startMicroseconds = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _count;

    /// <summary>Adds an event, which takes the place of the oldest one when there is no room.</summary>
    public void Add(MemoryAction action, nint address, long bytes, long requestedBytes, int stream, CallStack? stack)
    {
        lock (_gate)
        {
            // In the lock, so that times do not go backwards.
            long time = _startMicroseconds + (Stopwatch.GetElapsedTime(_start).Ticks / TimeSpan.TicksPerMicrosecond);
            var step = new MemoryEvent(action, address, bytes, requestedBytes, stream, time, stack);
            if (_ring.Count < capacity)
            {
                _ring.Add(step);
            }
            else
            {
                _ring[(int)(_count % capacity)] = step;
            }

            _count++;
        }
    }

    /// <summary>The events that were kept, the oldest first, and how many came before them.</summary>
    public (ImmutableArray<MemoryEvent> Events, long Forgotten) Read()
    {
        lock (_gate)
        {
            int oldest = _ring.Count < capacity ? 0 : (int)(_count % capacity);
            return ([.. _ring[oldest..], .. _ring[..oldest]], _count - _ring.Count);
        }
    }
}

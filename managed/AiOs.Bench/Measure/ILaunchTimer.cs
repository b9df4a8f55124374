using System.Diagnostics;
using AiOs.Runtime;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Bench.Measure;

/// <summary>Times launches on a stream.</summary>
internal interface ILaunchTimer : IDisposable
{
    /// <summary>Seconds that the launches numbered from <paramref name="first"/> on take altogether.</summary>
    double Time(Action<int> launch, int first, int launches);
}

/// <summary>The host's clock, from the first enqueue to the end of the last launch: for devices that are the host.</summary>
internal sealed class HostTimer(Stream stream) : ILaunchTimer
{
    public double Time(Action<int> launch, int first, int launches)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < launches; i++)
        {
            launch(first + i);
        }

        stream.Synchronize();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    public void Dispose()
    {
    }
}

/// <summary>
/// Events of the device before and after each launch, so that what the host does between them is not counted. Before each, memory
/// twice as large as the second-level cache is overwritten: no launch finds its operands there, and while that runs the
/// host enqueues the launch.
/// </summary>
internal sealed class DeviceTimer : ILaunchTimer
{
    /// <summary>Launches between two waits.</summary>
    private const int Burst = 64;

    private readonly Stream _stream;
    private readonly DeviceMemory<byte> _flush;
    private readonly Event[] _begins;
    private readonly Event[] _ends;

    /// <summary>Makes a timer.</summary>
    /// <param name="stream">The stream of the launches.</param>
    /// <param name="flushBytes">Bytes that are overwritten before each.</param>
    public DeviceTimer(Stream stream, long flushBytes)
    {
        _stream = stream;
        _flush = stream.Device.Allocate<byte>(flushBytes, stream);
        _begins = [.. Enumerable.Range(0, Burst).Select(_ => stream.Device.CreateEvent())];
        _ends = [.. Enumerable.Range(0, Burst).Select(_ => stream.Device.CreateEvent())];
    }

    public double Time(Action<int> launch, int first, int launches)
    {
        double milliseconds = 0;
        for (int done = 0; done < launches;)
        {
            int burst = Math.Min(Burst, launches - done);
            for (int i = 0; i < burst; i++)
            {
                _flush.Span.Fill((byte)i, _stream);
                _stream.Record(_begins[i]);
                launch(first + done + i);
                _stream.Record(_ends[i]);
            }

            _stream.Synchronize();
            for (int i = 0; i < burst; i++)
            {
                milliseconds += Event.ElapsedMilliseconds(_begins[i], _ends[i]);
            }

            done += burst;
        }

        return milliseconds * 1e-3;
    }

    public void Dispose()
    {
        foreach (Event item in _begins.Concat(_ends))
        {
            item.Dispose();
        }

        _flush.Dispose();
    }
}

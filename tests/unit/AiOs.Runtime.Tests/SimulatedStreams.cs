namespace AiOs.Runtime.Tests;

/// <summary>Streams that are only numbers: their waits and events change clocks, and nothing else.</summary>
internal sealed class SimulatedStreams : IStreamWaits
{
    private readonly List<int> _streams = [];

    public ClockTable Clocks { get; } = new();

    /// <summary>Times that the host had to wait.</summary>
    public int Synchronizations { get; private set; }

    public int Add(PoolAllocator pool)
    {
        int stream = Clocks.AddStream();
        _streams.Add(stream);
        pool.AddStream(stream);
        return stream;
    }

    public VectorClock Record(int stream)
    {
        var recorded = new VectorClock();
        Clocks.Record(stream, recorded);
        return recorded;
    }

    public void Finish(int stream) => Clocks.Observe(Record(stream));

    public void Wait(int stream, int other) => Clocks.Wait(stream, Record(other));

    public void Synchronize()
    {
        Synchronizations++;
        _streams.ForEach(Finish);
    }
}

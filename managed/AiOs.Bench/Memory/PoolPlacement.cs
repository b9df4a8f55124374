using System.Numerics;
using AiOs.Runtime;

namespace AiOs.Bench.Memory;

/// <summary>
/// The runtime's own pool over memory that is only counted. A block that is freed by another stream than its own was
/// used there. Work is done when the pool waits for it, and not before.
/// </summary>
internal sealed class PoolPlacement : IPlacement, IStreamWaits
{
    private const long LeastCapacity = 1L << 40;
    private const int Times = 16;

    private readonly ClockTable _clocks = new();
    private readonly SimulatedMemory _memory;
    private readonly PoolAllocator _pool;
    private readonly Allocation[] _blocks;
    private readonly AllocationTrace _trace;

    public PoolPlacement(AllocationTrace trace)
    {
        _trace = trace;
        long peak = (long)BitOperations.RoundUpToPowerOf2((ulong)trace.PeakBytes);
        _memory = new SimulatedMemory(capacity: Math.Max(LeastCapacity, Times * peak));
        _pool = new PoolAllocator(_memory, _clocks, new PoolOptions(), this);
        _blocks = new Allocation[trace.Sizes.Count];
        for (int stream = 0; stream < trace.Streams; stream++)
        {
            _pool.AddStream(_clocks.AddStream());
        }
    }

    public string Name => "aios";

    public long ReservedBytes => _memory.MappedBytes;

    public long Allocate(int id, long bytes, int stream)
    {
        _blocks[id] = _pool.Allocate(bytes, stream);
        return _blocks[id].Address;
    }

    public void Free(int id, int stream)
    {
        if (stream != _trace.StreamOf(id))
        {
            _pool.NoteUse(_blocks[id], stream);
        }

        _pool.Free(_blocks[id]);
    }

    void IStreamWaits.Wait(int stream, int other)
    {
        VectorClock reached = VectorClock.Scratch;
        _clocks.Record(other, reached);
        _clocks.Wait(stream, reached);
    }

    void IStreamWaits.Synchronize()
    {
        for (int stream = 0; stream < _trace.Streams; stream++)
        {
            VectorClock reached = VectorClock.Scratch;
            _clocks.Record(stream, reached);
            _clocks.Observe(reached);
        }
    }
}

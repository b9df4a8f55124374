using System.Runtime.CompilerServices;

namespace AiOs.Runtime;

/// <summary>
/// What is tried when memory runs out, cheapest first: blocks left by finalisers, caches and whole free pages, memory of
/// other streams behind an enqueued wait, and only then waiting for all work, and the garbage collector. Then it throws.
/// </summary>
internal sealed class RetryLayer : AllocatorLayer
{
    private readonly Action<int>[] _rungs;
    private readonly Func<long, int, Exception> _report;
    private long _retries;

    /// <summary>Makes the layer.</summary>
    /// <param name="pool">Where the memory comes from.</param>
    /// <param name="freeAbandoned">Frees what finalisers found.</param>
    /// <param name="report">Makes the error, of the bytes asked for and the stream.</param>
    public RetryLayer(PoolAllocator pool, Action freeAbandoned, Func<long, int, Exception> report)
        : base(pool)
    {
        _report = report;
        _rungs =
        [
            _ => freeAbandoned(),
            _ => pool.Trim(),
            pool.WaitForOthers,
            _ => pool.Trim(wait: true),
            _ =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                freeAbandoned();
                pool.Trim(wait: true);
            },
        ];
    }

    /// <summary>Allocations that were not served at once.</summary>
    public long Retries => Interlocked.Read(ref _retries);

    /// <inheritdoc/>
    /// <exception cref="DeviceOutOfMemoryException">There is no memory left.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override Allocation Allocate(long bytes, int stream)
    {
        Allocation block = Inner.Allocate(bytes, stream);
        return block.Address != 0 ? block : Climb(bytes, stream);
    }

    private Allocation Climb(long bytes, int stream)
    {
        Interlocked.Increment(ref _retries);
        foreach (Action<int> rung in _rungs)
        {
            rung(stream);
            Allocation block = Inner.Allocate(bytes, stream);
            if (block.Address != 0)
            {
                return block;
            }
        }

        throw _report(bytes, stream);
    }
}

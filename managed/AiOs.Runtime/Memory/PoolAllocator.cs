using System.Runtime.CompilerServices;

namespace AiOs.Runtime;

/// <summary>
/// The pool of a device's memory: a front per stream over one <see cref="RegionCore"/>. It knows no device, so that tests
/// and <c>aios bench memory</c> run it over <see cref="SimulatedMemory"/>. Safe for several threads.
/// </summary>
/// <remarks>
/// Locks are taken in this order: the core's, a front's, the clocks'. A small block that its stream's front has is given
/// out under the front's lock alone.
/// </remarks>
internal sealed partial class PoolAllocator : Allocator
{
    private readonly IMemoryBackend _backend;
    private readonly ClockTable _clocks;
    private readonly IStreamWaits? _waits;
    private readonly RegionTable _regions = new();
    private readonly RegionCore _core;
    private readonly Lock _gate = new();
    private readonly nint _base;
    private StreamFront[] _fronts = [];

    /// <summary>Makes a pool of an empty range.</summary>
    /// <param name="backend">Where memory comes from; the pool releases it.</param>
    /// <param name="clocks">Which work of the streams comes before which.</param>
    /// <param name="options">Choices.</param>
    /// <param name="waits">Lets growth wait for work whose memory could be used instead; null never waits.</param>
    public PoolAllocator(IMemoryBackend backend, ClockTable clocks, PoolOptions? options = null, IStreamWaits? waits = null)
    {
        _backend = backend;
        _clocks = clocks;
        _waits = waits;
        _base = backend.Base;
        _core = new RegionCore(_regions, backend, clocks, options ?? new PoolOptions());
    }

    /// <summary>Makes a front for a stream of the clocks, or gives a new stream the front of a removed one.</summary>
    public void AddStream(int stream)
    {
        lock (_gate)
        {
            _core.AddStream(stream);
            while (_fronts.Length <= stream)
            {
                _fronts = [.. _fronts, new StreamFront(_regions)];
            }

            _fronts[stream].IsRetired = false;
        }
    }

    /// <summary>A stream whose work has all run is gone; its blocks live on.</summary>
    public void RetireStream(int stream)
    {
        lock (_gate)
        {
            _fronts[stream].IsRetired = true;
        }
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override Allocation Allocate(long bytes, int stream)
    {
        StreamFront front = _fronts[stream];
        long size;
        if (bytes <= StreamFront.Limit)
        {
            size = SizeClasses.RoundUp(bytes);
            front.Gate.Enter();
            int index = front.Pop(SizeClasses.IndexOf(size));
            if (index >= 0)
            {
                ref Region region = ref _regions[index];
                front.GiveOut(ref region, bytes);
                var block = new Allocation(_base + (nint)region.Offset, index, region.Generation);
                front.Gate.Exit();
                return block;
            }

            front.Gate.Exit();
        }
        else if (bytes > _backend.Capacity)
        {
            return default;
        }
        else
        {
            size = SizeClasses.RoundToUnit(bytes);
        }

        return AllocateFromCore(bytes, size, stream, front);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Free(Allocation block)
    {
        ref Region region = ref EnterLive(block, out StreamFront front);
        front.TakeBack(ref region);
        if (region.Uses >= 0 && !ForgetOrderedUses(ref region, front))
        {
            front.Uses.Confirm(ref region, _clocks);
            front.Park(block.Index, Stamp(region.Stream, front));
            front.Gate.Exit();
        }
        else if (region.Size <= StreamFront.Limit)
        {
            front.Push(block.Index);
            front.Gate.Exit();
        }
        else
        {
            front.Gate.Exit();
            lock (_gate)
            {
                _core.Free(block.Index, Stamp(region.Stream, front));
            }
        }
    }

    /// <inheritdoc/>
    public override void NoteUse(Allocation block, int stream)
    {
        ref Region region = ref EnterLive(block, out StreamFront front);
        if (region.Stream != stream)
        {
            front.Uses.Note(ref region, stream, _clocks.Upcoming(stream));
        }

        front.Gate.Exit();
    }

    /// <summary>Gives the memory of all pages without a block in use back, as far as the work that used it is known to be done.</summary>
    /// <param name="wait">Whether the host first waits for all work.</param>
    /// <returns>Bytes given back.</returns>
    public long Trim(bool wait = false)
    {
        lock (_gate)
        {
            FlushFronts(); // Before the wait, which covers work up to now: cached blocks get their stamps here.
        }

        if (wait)
        {
            _waits?.Synchronize();
        }

        lock (_gate)
        {
            ReleaseAllParked();
            return _core.Reclaim(long.MaxValue, 0, 0, out _);
        }
    }

    /// <summary>Makes all that is freed usable for a stream, by enqueued waits for the other streams.</summary>
    public void WaitForOthers(int stream)
    {
        for (int other = 0; other < _fronts.Length; other++)
        {
            if (other != stream && !_fronts[other].IsRetired)
            {
                _waits?.Wait(stream, other);
            }
        }
    }

    /// <inheritdoc/>
    public override void WaitForUses(Allocation block)
    {
        var users = new List<int>();
        ref Region region = ref EnterLive(block, out StreamFront front);
        int stream = region.Stream;
        front.Uses.Visit(ref region, users.Add);
        front.Gate.Exit();
        users.ForEach(user => _waits?.Wait(stream, user));
    }

    /// <summary>Takes the memory of all blocks, those in use included, with the range.</summary>
    public void Release() => _backend.Release();

    private Allocation AllocateFromCore(long bytes, long size, int stream, StreamFront front)
    {
        bool mayWait = _waits is not null;
        for (; ; )
        {
            lock (_gate)
            {
                ReleaseParked(stream, stream);
                int index = _core.Allocate(size, stream);
                bool hit = index >= 0;
                if (!hit)
                {
                    FlushFronts();
                    ReleaseAllParked(stream);
                    index = _core.Allocate(size, stream);
                    if (index < 0 && !TryGrow(size, stream, mayWait, out index))
                    {
                        return default;
                    }
                }

                if (index >= 0)
                {
                    return GiveOut(index, bytes, front, hit);
                }
            }

            // More would lie unused than the slack allows, but the work that used it has not been seen done.
            _waits!.Synchronize();
            mayWait = false;
        }
    }

    /// <summary>
    /// Makes a block of neighbouring regions that the stream may use and of new memory, which holes give up as far as the
    /// slack wants it.
    /// </summary>
    /// <param name="size">Size of the block.</param>
    /// <param name="stream">The stream that asks.</param>
    /// <param name="mayWait">True when the host may wait for the work of streams.</param>
    /// <param name="index">The block; -1 when the host has to wait first.</param>
    /// <returns>False when there is no memory left.</returns>
    private bool TryGrow(long size, int stream, bool mayWait, out int index)
    {
        RegionCore.Window window = _core.FindWindow(size, stream);
        index = -1;
        if (window.Start < 0)
        {
            return false;
        }

        long excess = _core.Excess(size, window.NewBytes);
        if (excess > 0)
        {
            long reclaimed = _core.Reclaim(excess, window.Offset, size, out long pending);
            if (reclaimed < excess && pending > 0 && mayWait)
            {
                return true;
            }

            window = _core.FindWindow(size, stream);
        }

        index = _core.Take(window, size, stream);
        return index >= 0;
    }

    private Allocation GiveOut(int index, long bytes, StreamFront front, bool hit)
    {
        ref Region region = ref _regions[index];
        front.Gate.Enter();
        front.GiveOut(ref region, bytes);
        front.Statistics.CacheHits += hit ? 1 : 0;
        var block = new Allocation(_base + (nint)region.Offset, index, region.Generation);
        front.Gate.Exit();
        return block;
    }

    /// <summary>The region of a block in use, with its front's gate entered.</summary>
    private ref Region EnterLive(Allocation block, out StreamFront front)
    {
        if ((uint)block.Index >= (uint)_regions.End)
        {
            ThrowStale(block);
        }

        ref Region region = ref _regions[block.Index];
        front = _fronts[region.Stream];
        front.Gate.Enter();
        if (region.Generation != block.Generation || region.State != RegionState.Live || _fronts[region.Stream] != front)
        {
            front.Gate.Exit();
            ThrowStale(block);
        }

        return ref region;
    }

    /// <summary>Forgets the uses of a region when all of them come before what its own stream is given from now on.</summary>
    private bool ForgetOrderedUses(ref Region region, StreamFront front)
    {
        if (!front.Uses.AreOrdered(ref region, region.Stream, _clocks))
        {
            return false;
        }

        front.Uses.Clear(ref region);
        return true;
    }

    /// <summary>The stamp of work that a stream has been given so far.</summary>
    private long Stamp(int stream, StreamFront front) => front.IsRetired ? 0 : _clocks.Pending(stream);

    /// <summary>Gives all cached blocks to the core, which merges them. Under the core's lock.</summary>
    private void FlushFronts()
    {
        for (int stream = 0; stream < _fronts.Length; stream++)
        {
            StreamFront front = _fronts[stream];
            front.Gate.Enter();
            int sizeClass = 0;
            while (front.PopAny(ref sizeClass) is >= 0 and int index)
            {
                _core.Free(index, Stamp(stream, front));
            }

            front.Gate.Exit();
        }
    }

    private void ReleaseAllParked(int asking = -1)
    {
        for (int stream = 0; stream < _fronts.Length; stream++)
        {
            ReleaseParked(stream, asking);
        }
    }

    /// <summary>
    /// Gives the core those parked blocks of a stream that the stream itself, or the one that asks, may use now. Under the
    /// core's lock.
    /// </summary>
    private void ReleaseParked(int stream, int asking)
    {
        StreamFront front = _fronts[stream];
        front.Gate.Enter();
        int next;
        for (int index = front.Parked; index >= 0; index = next)
        {
            ref Region region = ref _regions[index];
            next = region.ListNext;
            int heir = front.Uses.AreOrdered(ref region, stream, _clocks) ? stream
                : asking >= 0 && _clocks.IsOrdered(asking, stream, region.Stamp) && front.Uses.AreOrdered(ref region, asking, _clocks) ? asking
                : -1;
            if (heir >= 0)
            {
                // Unless all is done, the heir's stamp of now: the old one does not cover the other streams' uses.
                bool done = _clocks.IsDone(stream, region.Stamp) && front.Uses.AreDone(ref region, _clocks);
                front.Unpark(index);
                front.Uses.Clear(ref region);
                region.Stream = heir;
                _core.Free(index, done ? 0 : Stamp(heir, _fronts[heir]));
            }
        }

        front.Gate.Exit();
    }

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private static void ThrowStale(Allocation block) =>
        throw new ArgumentException($"no allocated block starts at 0x{block.Address:x}: was it freed twice?", nameof(block));
}

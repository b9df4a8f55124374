using System.Collections.Concurrent;
using System.Diagnostics;
using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>
/// Memory of a device, cached: the first touch of fresh pages costs an order of magnitude more than using warm ones
/// again, so blocks go back to the device only on <see cref="Trim"/> or when memory runs out.
/// </summary>
/// <remarks>
/// <para>
/// Design. Memory is reserved from the device in segments and cut into blocks (<see cref="BlockAllocator"/>): requests
/// up to 1 MiB come out of 2 MiB segments, up to 16 MiB out of 32 MiB segments, larger ones get a segment of their own
/// size, in steps of 2 MiB so that huge pages can back it. Sizes are rounded to classes at most 1/32 apart
/// (<see cref="SizeClasses"/>), so that the requests of a repeated step find the blocks of the step before. Free blocks
/// are found in constant time (<see cref="FreeIndex"/>) and merge with free neighbours when they are freed. All of it
/// lives in arrays of structs: a pair of allocate and free makes no managed object.
/// </para>
/// <para>
/// Streams. Each stream has a pool. Work of one stream runs in order, so a block freed by the stream of its pool is
/// given out again at once: what the new owner enqueues runs after all the old owner enqueued. That is also why
/// workspaces are freed right after the launch that uses them. A block freed by another stream waits until that stream
/// has drained. A segment with no block in use moves to another stream's pool once its own stream has drained.
/// </para>
/// <para>
/// Running out. In this order: blocks left by finalisers are freed, all streams are drained, cached segments are given
/// back, unreachable owners are collected, the request is tried again; then
/// <see cref="DeviceOutOfMemoryException"/> names the largest holders. Reserved bytes count as pressure on the garbage
/// collector, so that forgotten tensors are found before the machine is full.
/// </para>
/// </remarks>
public sealed class CachingAllocator
{
    /// <summary>The pool of memory whose stream is gone; its work is always done.</summary>
    internal const int RetiredPool = 0;

    private const int LargestHolders = 5;

    /// <summary>Frames that allocate on behalf of somebody else: an allocation's site is the first frame beyond them.</summary>
    private static readonly string[] Plumbing =
    [
        "AiOs.Runtime.CachingAllocator.", "AiOs.Runtime.Device.", "AiOs.Runtime.PinnedMemory", "AiOs.Tensors.Tensor", "AiOs.Tensors.Tape.",
    ];

    private readonly Device _device;
    private readonly BlockAllocator _blocks;
    private readonly Source _source;
    private readonly bool _track;
    private readonly Lock _gate = new();
    private readonly ConcurrentQueue<AbandonedResource> _abandoned = new();
    private readonly Dictionary<nint, string> _stacks = [];
    private readonly List<LeakedBlock> _finalized = [];
    private readonly Dictionary<nint, long> _host = [];
    private bool _closed;

    internal CachingAllocator(Device device, DeviceOptions options)
    {
        _device = device;
        _track = options.TrackAllocations;
        _source = new Source(device.Driver, options.MemoryLimitBytes ?? long.MaxValue);
        _blocks = new BlockAllocator(_source);
        _blocks.AddPool();
        _source.Bind(RetiredPool, null);
    }

    /// <summary>The numbers so far.</summary>
    public AllocatorStatistics Statistics
    {
        get
        {
            lock (_gate)
            {
                Drain();
                return _blocks.Statistics;
            }
        }
    }

    /// <summary>Allocates a block, aligned to 512 bytes; its contents are undefined.</summary>
    /// <param name="bytes">Size, 0 or more; 0 gives a block of its own too.</param>
    /// <param name="stream">The stream whose work uses the block first.</param>
    /// <returns>Address on the device, never 0.</returns>
    /// <exception cref="DeviceOutOfMemoryException">The device has no memory left.</exception>
    public nint Allocate(long bytes, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ObjectDisposedException.ThrowIf(stream.IsDisposed, stream);
        if (!ReferenceEquals(stream.Device, _device))
        {
            throw new ArgumentException("the stream belongs to another device than the memory", nameof(stream));
        }

        nint address;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closed, _device);
            Drain();
            address = _blocks.Allocate(bytes, stream.Pool);
            if (address != 0 && !_track && _device.Races is null)
            {
                return address;
            }
        }

        if (address == 0)
        {
            address = Retry(bytes, stream);
        }

        if (_track)
        {
            string stack = new StackTrace(1, true).ToString();
            lock (_gate)
            {
                _stacks[address] = stack;
            }
        }

        _device.Races?.Allocated(address, bytes, stream.Clock);
        return address;
    }

    /// <summary>
    /// Frees a block. Work already enqueued on <paramref name="stream"/> still finds it.
    /// </summary>
    /// <param name="address">What <see cref="Allocate"/> returned.</param>
    /// <param name="stream">The stream whose work used the block last.</param>
    /// <exception cref="ArgumentException">No block in use starts at the address: it was freed before.</exception>
    public void Free(nint address, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        _device.Races?.Freed(address, stream.Clock);
        lock (_gate)
        {
            if (_closed)
            {
                return; // The device gave all memory back when it was disposed.
            }

            if (!_blocks.Free(address, stream.Pool))
            {
                throw new ArgumentException($"no allocated block starts at 0x{address:x}: was it freed twice?", nameof(address));
            }

            if (_track)
            {
                _stacks.Remove(address);
            }
        }
    }

    /// <summary>Waits for all streams and gives all cached memory back to the device.</summary>
    /// <returns>Bytes given back.</returns>
    public long Trim()
    {
        lock (_gate)
        {
            Drain();
            _source.Synchronize();
            return _blocks.Trim();
        }
    }

    /// <summary>Starts the peaks of <see cref="Statistics"/> again from what is in use now.</summary>
    public void ResetPeaks()
    {
        lock (_gate)
        {
            _blocks.Note(retry: false, peaks: true);
        }
    }

    /// <summary>Names the blocks in use now and those whose owners were collected without having been disposed.</summary>
    public LeakReport Leaks()
    {
        lock (_gate)
        {
            Drain();
            IEnumerable<LeakedBlock> live = _blocks.Live().Concat(_host.Select(block => (Address: block.Key, Bytes: block.Value))).Select(
                block => new LeakedBlock(block.Address, block.Bytes, _stacks.GetValueOrDefault(block.Address), false));
            return new LeakReport([.. live.Concat(_finalized).OrderByDescending(block => block.Bytes)]);
        }
    }

    internal int AddPool()
    {
        lock (_gate)
        {
            return _blocks.AddPool();
        }
    }

    /// <summary>Tells the allocator which stream a pool belongs to.</summary>
    internal void BindPool(int pool, Stream stream)
    {
        lock (_gate)
        {
            _source.Bind(pool, stream);
        }
    }

    /// <summary>Takes the memory of a stream that has drained and is about to be destroyed.</summary>
    internal void RetirePool(int pool)
    {
        lock (_gate)
        {
            _source.Bind(pool, null);
            if (!_closed)
            {
                _blocks.RetirePool(pool, RetiredPool);
            }
        }
    }

    /// <summary>Takes what a finaliser found. Only queues: the driver is called by the next ordinary call.</summary>
    internal void Abandon(AbandonedResource resource) => _abandoned.Enqueue(resource);

    /// <summary>Allocates pinned host memory; it is not cached.</summary>
    internal nint AllocateHost(long bytes)
    {
        bytes = Math.Max(1, bytes);
        aios_status status = _device.Driver.AllocateHost(bytes, out nint memory);
        if (status == aios_status.OutOfMemory)
        {
            throw new DeviceOutOfMemoryException(
                bytes, $"{bytes} bytes of pinned memory could not be allocated; allocate less or free memory on this machine");
        }

        _device.Check(status, "alloc_host");
        MemoryPressure.Add(bytes);
        lock (_gate)
        {
            _host.Add(memory, bytes);
            if (_track)
            {
                _stacks[memory] = new StackTrace(2, true).ToString();
            }
        }

        _device.Races?.Allocated(memory, bytes, RaceDetector.Host);
        return memory;
    }

    /// <summary>Frees pinned host memory.</summary>
    internal void FreeHost(nint memory)
    {
        _device.Races?.Freed(memory, RaceDetector.Host);
        lock (_gate)
        {
            if (_host.Remove(memory, out long bytes))
            {
                _stacks.Remove(memory);
                _ = _device.Driver.FreeHost(memory, bytes);
                MemoryPressure.Remove(bytes);
            }
        }
    }

    /// <summary>Gives all memory back; the streams are gone.</summary>
    internal void Close()
    {
        lock (_gate)
        {
            Drain();
            _closed = true;
            _blocks.Clear();
            foreach (nint memory in _host.Keys.ToArray())
            {
                FreeHost(memory);
            }

            _stacks.Clear();
        }
    }

    private nint Retry(long bytes, Stream stream)
    {
        lock (_gate)
        {
            _blocks.Note(retry: true, peaks: false);
            _source.Synchronize();
            _blocks.Trim();
        }

        nint address = TryAgain(bytes, stream);
        if (address == 0)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            address = TryAgain(bytes, stream);
        }

        return address != 0 ? address : throw OutOfMemory(bytes);
    }

    private nint TryAgain(long bytes, Stream stream)
    {
        lock (_gate)
        {
            Drain();
            nint address = _blocks.Allocate(bytes, stream.Pool);
            if (address == 0)
            {
                _blocks.Trim();
                address = _blocks.Allocate(bytes, stream.Pool);
            }

            return address;
        }
    }

    private DeviceOutOfMemoryException OutOfMemory(long bytes)
    {
        LeakReport holders = Leaks();
        AllocatorStatistics statistics = Statistics;
        IEnumerable<string> largest = holders.Blocks
            .GroupBy(block => block.Stack is null ? $"{block.Bytes} bytes each" : Site(block.Stack))
            .OrderByDescending(site => site.Sum(block => block.Bytes))
            .Take(LargestHolders)
            .Select(site => $"{site.Count()} blocks with {site.Sum(block => block.Bytes)} bytes ({site.Key})");
        string limit = _source.Limit == long.MaxValue ? "" : $" of at most {_source.Limit}";
        return new DeviceOutOfMemoryException(
            bytes,
            $"{_device.Name}: {bytes} bytes could not be allocated: {statistics.AllocatedBytes} are allocated and "
            + $"{statistics.ReservedBytes}{limit} reserved; largest holders: {string.Join(", ", largest)}; use a smaller batch or model"
            + (_track ? "" : ", or set AIOS_LEAK_STACKS=1 to see who holds the memory"));
    }

    /// <summary>The first frame of a stack beyond the plumbing, without its file.</summary>
    private static string Site(string stack)
    {
        string[] frames = stack.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        string frame = Array.Find(frames, line => !Array.Exists(Plumbing, type => line.Contains(type, StringComparison.Ordinal)))
            ?? frames.FirstOrDefault("");
        int end = frame.IndexOf('(', StringComparison.Ordinal);
        return end < 0 ? frame : frame[..end];
    }

    /// <summary>Frees what finalisers queued. Called under the lock.</summary>
    private void Drain()
    {
        while (!_abandoned.IsEmpty && _abandoned.TryDequeue(out AbandonedResource resource))
        {
            switch (resource.Kind)
            {
                case AbandonedKind.Event:
                    _ = _device.Driver.DestroyEvent(new aios_event { Value = resource.Handle });
                    break;
                default:
                    FreeAbandoned(resource.Handle);
                    break;
            }
        }
    }

    private void FreeAbandoned(nint address)
    {
        if (_closed)
        {
            return;
        }

        if (_blocks.Owner(address) is (int pool, long bytes))
        {
            _device.Races?.Collected(address);
            _stacks.Remove(address, out string? stack);
            _finalized.Add(new LeakedBlock(address, bytes, stack, true));
            _blocks.Free(address, pool);
        }
    }

    /// <summary>Segments from the driver, within the limit.</summary>
    private sealed class Source(DeviceDriver driver, long limit) : IMemorySource
    {
        private readonly List<Stream?> _streams = [];
        private long _reserved;

        public long Limit => limit;

        public void Bind(int pool, Stream? stream)
        {
            while (_streams.Count <= pool)
            {
                _streams.Add(null);
            }

            _streams[pool] = stream;
        }

        public bool IsDrained(int pool) => pool >= _streams.Count || _streams[pool] is not { } stream || stream.IsDrained;

        public void Synchronize()
        {
            foreach (Stream? stream in _streams)
            {
                if (stream is { IsDisposed: false })
                {
                    _ = driver.Synchronize(stream.Handle);
                }
            }
        }

        public bool TryReserve(long bytes, out nint address)
        {
            address = 0;
            if (bytes > limit - _reserved || driver.Allocate(bytes, out address) != aios_status.Ok)
            {
                return false;
            }

            _reserved += bytes;
            MemoryPressure.Add(bytes);
            return true;
        }

        public void Release(nint address, long bytes)
        {
            _ = driver.Free(address, bytes);
            _reserved -= bytes;
            MemoryPressure.Remove(bytes);
        }
    }
}

using AiOs.Interop;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>
/// Memory of a CUDA device: a range of addresses sixteen times as large as its memory, with a physical allocation behind
/// every mapped page, because the driver only unmaps what was mapped as one.
/// </summary>
internal sealed unsafe class CudaMemory : IMemoryBackend
{
    private const int Times = 16;
    private const long SmallestPage = 2 << 20;

    private readonly CudaContext _context;
    private readonly HashSet<long> _mapped = [];

    /// <summary>Reserves the range.</summary>
    /// <exception cref="BackendException">Not even as many addresses as the device has memory can be had.</exception>
    public CudaMemory(CudaContext context, long deviceBytes)
    {
        _context = context;
        context.Enter();
        CUmemAllocationProp properties = Properties;
        nuint granularity = 0;
        context.Require(
            context.Cuda.cuMemGetAllocationGranularity(&granularity, &properties, CUmemAllocationGranularity_flags.Minimum), "cuMemGetAllocationGranularity");
        Granularity = Math.Max(SmallestPage, (long)granularity);
        long capacity = (deviceBytes + Granularity - 1) & -Granularity;
        for (Capacity = capacity * Times; ; Capacity /= 2)
        {
            CUdeviceptr range = default;
            CUresult result = context.Cuda.cuMemAddressReserve(&range, (nuint)Capacity, (nuint)Granularity, default, 0);
            if (result != CUresult.ErrorOutOfMemory || Capacity / 2 < capacity)
            {
                context.Require(result, "cuMemAddressReserve");
                Base = (nint)range.Value;
                return;
            }
        }
    }

    public nint Base { get; }

    public long Capacity { get; }

    public long Granularity { get; }

    private CUmemAllocationProp Properties => new()
    {
        type = CUmemAllocationType.Pinned,
        location = Location(_context.Index),
    };

    public bool TryMap(long offset, long bytes)
    {
        _context.Enter();
        CudaTable cuda = _context.Cuda;
        CUmemAllocationProp properties = Properties;
        for (long done = 0; done < bytes; done += Granularity)
        {
            CUmemGenericAllocationHandle page = default;
            CUresult result = cuda.cuMemCreate(&page, (nuint)Granularity, &properties, 0);
            if (result == CUresult.Success)
            {
                result = cuda.cuMemMap(At(offset + done), (nuint)Granularity, 0, page, 0);
                _ = cuda.cuMemRelease(page); // the mapping keeps it
            }

            if (result != CUresult.Success)
            {
                _ = _context.Fold(result);
                Withdraw(offset, done);
                return false;
            }

            _mapped.Add(offset + done);
        }

        CUmemAccessDesc access = new() { location = Location(_context.Index), flags = CUmemAccess_flags.Readwrite };
        if (_context.Fold(cuda.cuMemSetAccess(At(offset), (nuint)bytes, &access, 1)) != aios_status.Ok)
        {
            Withdraw(offset, bytes);
            return false;
        }

        return true;
    }

    public void Unmap(long offset, long bytes)
    {
        _context.Enter();
        Withdraw(offset, bytes);
    }

    public void Release()
    {
        _context.Enter();
        foreach (long page in _mapped)
        {
            _ = _context.Cuda.cuMemUnmap(At(page), (nuint)Granularity);
        }

        _mapped.Clear();
        _ = _context.Cuda.cuMemAddressFree(new CUdeviceptr((ulong)Base), (nuint)Capacity);
    }

    private static CUmemLocation Location(int device) => new() { type = CUmemLocationType.Device, id = device };

    private CUdeviceptr At(long offset) => new((ulong)(Base + (nint)offset));

    private void Withdraw(long offset, long bytes)
    {
        if (bytes > 0)
        {
            _ = _context.Fold(_context.Cuda.cuMemUnmap(At(offset), (nuint)bytes));
        }

        for (long done = 0; done < bytes; done += Granularity)
        {
            _mapped.Remove(offset + done);
        }
    }
}

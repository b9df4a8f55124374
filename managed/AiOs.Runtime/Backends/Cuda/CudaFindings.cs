using System.Runtime.InteropServices;
using AiOs.Interop;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>What kernels find wrong with their data (aios_cuda.h): a record for each stream, in memory that the host shares.</summary>
internal sealed unsafe class CudaFindings
{
    private const int RecordsAtATime = 64;

    private static readonly Dictionary<nint, CudaFindings> s_all = [];

    private readonly AiosTable _aios;
    private readonly CudaProviderTable _table;
    private readonly Stack<nint> _free = new();

    private CudaFindings(CudaLibraries libraries)
    {
        _aios = new AiosTable(libraries.Kernels, libraries.Path!);
        _table = new CudaProviderTable(libraries.Kernels, libraries.Path!);
    }

    /// <summary>The records of a library, for all its devices.</summary>
    public static CudaFindings Of(CudaLibraries libraries)
    {
        lock (s_all)
        {
            if (!s_all.TryGetValue(libraries.Kernels, out CudaFindings? findings))
            {
                findings = new CudaFindings(libraries);
                s_all.Add(libraries.Kernels, findings);
            }

            return findings;
        }
    }

    /// <summary>Gives a stream a record.</summary>
    public CUresult Add(CudaContext context, CudaStream stream)
    {
        lock (_free)
        {
            if (_free.Count == 0)
            {
                nuint bytes = (nuint)(RecordsAtATime * sizeof(aios_cuda_record));
                void* slab = null;
                CUresult result = context.Cuda.cuMemHostAlloc(
                    &slab, bytes, CudaConstants.CU_MEMHOSTALLOC_PORTABLE | CudaConstants.CU_MEMHOSTALLOC_DEVICEMAP);
                if (result != CUresult.Success)
                {
                    return result;
                }

                for (int i = RecordsAtATime - 1; i >= 0; i--)
                {
                    _free.Push((nint)((aios_cuda_record*)slab + i));
                }
            }

            stream.Record = _free.Pop();
        }

        *(aios_cuda_record*)stream.Record = default;
        _table.aios_cuda_set_record(new aios_stream(stream.Handle.Value), (aios_cuda_record*)stream.Record);
        return CUresult.Success;
    }

    /// <summary>Ends it. Graphs that were captured from the stream still write to its record, which is then nobody else's.</summary>
    public void Remove(CudaStream stream)
    {
        _table.aios_cuda_set_record(new aios_stream(stream.Handle.Value), null);
        if (!stream.WasCaptured)
        {
            lock (_free)
            {
                _free.Push(stream.Record);
            }
        }
    }

    /// <summary>Makes what was found the error of a stream that has just been waited for.</summary>
    public void Take(CudaStream stream)
    {
        Take(stream, stream.Record);
        foreach (nint record in stream.Launched)
        {
            Take(stream, record);
        }
    }

    private void Take(CudaStream stream, nint record)
    {
        aios_status status = _table.aios_cuda_take_finding((aios_cuda_record*)record);
        if (status != aios_status.Ok)
        {
            stream.Fail(status, stream.Located(Marshal.PtrToStringUTF8((nint)_aios.aios_last_error()) ?? ""));
        }
    }
}

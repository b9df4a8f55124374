using System.Runtime.InteropServices;
using AiOs.Interop;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>What kernels found wrong with their data (aios_cuda.h): memory of the host that they write it to.</summary>
internal sealed unsafe class CudaFindings
{
    private static readonly Dictionary<nint, CudaFindings> s_all = [];

    private readonly AiosTable _aios;
    private readonly CudaProviderTable _table;

    private CudaFindings(CudaContext context)
    {
        nint library = context.Libraries.Kernels;
        _aios = new AiosTable(library, context.Libraries.Path!);
        _table = new CudaProviderTable(library, context.Libraries.Path!);
        void* record = null;
        context.Require(
            context.Cuda.cuMemHostAlloc(&record, (nuint)sizeof(aios_cuda_record), CudaConstants.CU_MEMHOSTALLOC_PORTABLE | CudaConstants.CU_MEMHOSTALLOC_DEVICEMAP),
            "cuMemHostAlloc");
        *(aios_cuda_record*)record = default;
        _table.aios_cuda_set_record((aios_cuda_record*)record);
    }

    /// <summary>The record of a library, which all its devices share.</summary>
    public static CudaFindings Of(CudaContext context)
    {
        lock (s_all)
        {
            if (!s_all.TryGetValue(context.Libraries.Kernels, out CudaFindings? findings))
            {
                findings = new CudaFindings(context);
                s_all.Add(context.Libraries.Kernels, findings);
            }

            return findings;
        }
    }

    /// <summary>Makes what was found the error of a stream that has just been waited for.</summary>
    public void Take(CudaStream stream)
    {
        aios_status status = _table.aios_cuda_take_finding();
        if (status != aios_status.Ok)
        {
            stream.Fail(status, Marshal.PtrToStringUTF8((nint)_aios.aios_last_error()) ?? "");
        }
    }
}

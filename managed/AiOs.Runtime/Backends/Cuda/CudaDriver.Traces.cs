using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>Traces.</summary>
internal sealed unsafe partial class CudaDriver
{
    private CudaTrace? _trace;

    public override string? TraceProblem => _trace?.Problem;

    public override aios_status StartTrace(long capacity)
    {
        _context.Enter();
        aios_status status = CudaTrace.Start(_context, _streams.Values, capacity, out CudaTrace? trace);
        _trace = trace ?? _trace;
        return status;
    }

    public override aios_status StopTrace(out long records, out long dropped)
    {
        _context.Enter();
        // A capture would end by being waited for.
        dropped = _trace!.Stop(wait: _capturing == 0);
        records = _trace.Records.Count;
        return aios_status.Ok;
    }

    public override aios_status ReadTrace(long index, out TraceRecord record)
    {
        bool exists = _trace is not null && index >= 0 && index < _trace.Records.Count;
        record = exists ? _trace!.Records[(int)index] : default;
        return exists ? aios_status.Ok : CudaContext.Fail(aios_status.InvalidArgument, $"there is no record {index} of a trace that was stopped");
    }
}

using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>Passes what launchers say of themselves on to the race detector.</summary>
internal sealed unsafe class LaunchObserver(RaceDetector detector, KernelTable kernels) : AccessObserver
{
    public override KernelTable Kernels { get; } = kernels;

    public override bool Admit(aios_stream stream, AccessList accesses)
    {
        accesses.State = detector.Find(stream) is { } found ? detector.Admit(found, accesses.Operation, accesses.Accesses) : null;
        return accesses.State is not null;
    }

    public override aios_status Close(AccessList accesses, aios_status status)
    {
        detector.Close((Operation)accesses.State!, accesses.Accesses, status == aios_status.Ok);
        return status;
    }

    public override long ReadableRows(aios_stream stream, void* rows, long count, long size) =>
        count > 0 && detector.Find(stream) is { } found && detector.IsReadable(found, (nint)rows, count * size) ? count : 0;
}

using AiOs.Interop;

namespace AiOs.Runtime.Tests;

/// <summary>Three streams, some memory, and the launches that the planted races are made of.</summary>
public sealed unsafe class RaceLab : IDisposable
{
    private const int N = 1024;
    private const int Pitch = 32;

    public RaceLab()
    {
        Device = Device.Open(options: new DeviceOptions { DetectRaces = true, Threads = 2 });
        (A, B, C) = (Device.CreateStream(), Device.CreateStream(), Device.CreateStream());
        (X, Y, Z) = (Device.Allocate<float>(N, A), Device.Allocate<float>(N, A), Device.Allocate<float>(N, A));
        Rows = Device.Allocate<aios_sgd_tensor>(1, A);
        Pinned = Device.AllocatePinned<float>(N);
        Event = Device.CreateEvent();
    }

    public Device Device { get; }

    public Stream A { get; }

    public Stream B { get; }

    public Stream C { get; }

    public DeviceMemory<float> X { get; }

    public DeviceMemory<float> Y { get; }

    public DeviceMemory<float> Z { get; }

    public DeviceMemory<aios_sgd_tensor> Rows { get; }

    public PinnedMemory<float> Pinned { get; }

    public Event Event { get; }

    public RaceDetector Races => Device.Races!;

    /// <summary>Makes what is enqueued on one stream from now on wait for what was enqueued on another.</summary>
    public void Order(Stream first, Stream second, bool really)
    {
        if (really)
        {
            using Event recorded = Device.CreateEvent();
            first.Record(recorded);
            second.WaitFor(recorded);
        }
    }

    public static void Record(Stream first, Event recorded, bool really)
    {
        if (really)
        {
            first.Record(recorded);
        }
    }

    public static void Wait(Stream stream, bool really)
    {
        if (really)
        {
            stream.Synchronize();
        }
    }

    /// <summary>Waits for a stream without anybody learning of it.</summary>
    public void WaitUntilIdle(Stream stream) => Device.Driver.Synchronize(stream.Handle);

    public void Fill(Stream stream, DeviceMemory<float> target) => Fill(stream, target.Pointer);

    public void Fill(Stream stream, nint target, long n = N) =>
        stream.Check(Device.Kernels.aios_fill(stream.Handle, (void*)target, n, 1, aios_dtype.F32), "aios_fill");

    public void Cast(Stream stream, DeviceMemory<float> target, DeviceMemory<float> a) => stream.Check(
        Device.Kernels.aios_cast(stream.Handle, (void*)target.Pointer, (void*)a.Pointer, N, aios_dtype.F32, aios_dtype.F32), "aios_cast");

    /// <summary>Doubles some columns of a matrix in place.</summary>
    public void Columns(Stream stream, DeviceMemory<float> target, int first, int count)
    {
        var desc = new aios_elementwise_desc { rank = 2, dtype = aios_dtype.F32, alpha = 2 };
        (desc.shape[0], desc.shape[1]) = (N / Pitch, count);
        (desc.out_stride[0], desc.out_stride[1]) = (desc.a_stride[0], desc.a_stride[1]) = (Pitch, 1);
        void* start = (void*)(target.Pointer + (first * sizeof(float)));
        stream.Check(Device.Kernels.aios_unary(stream.Handle, start, start, aios_unary_op.Affine, &desc), "aios_unary");
    }

    public DeviceMemory<byte> Workspace(Stream stream) => Device.Allocate<byte>(64 + WorkspaceBytes, stream);

    public void Reduce(Stream stream, DeviceMemory<float> target, DeviceMemory<float> a, DeviceMemory<byte> workspace) => stream.Check(
        Device.Kernels.aios_reduce(
            stream.Handle, (void*)target.Pointer, (void*)a.Pointer, (void*)workspace.Pointer, Math.Max(64, WorkspaceBytes), 1, N, 1,
            aios_reduce_op.Sum, 0, aios_dtype.F32),
        "aios_reduce");

    /// <summary>Writes the table of the optimizer, without momentum.</summary>
    public void Table(Stream stream, DeviceMemory<float> parameter, DeviceMemory<float> gradient) => Rows.CopyFrom(
        [new aios_sgd_tensor { param = (void*)parameter.Pointer, grad = (void*)gradient.Pointer, n = N, dtype = aios_dtype.F32 }], stream);

    public void Sgd(Stream stream) =>
        stream.Check(Device.Kernels.aios_sgd(stream.Handle, (aios_sgd_tensor*)Rows.Pointer, null, 1, 1, 0.1, 0), "aios_sgd");

    public void Dispose()
    {
        Device.Synchronize();
        foreach (IDisposable owned in (IDisposable[])[X, Y, Z, Rows, Pinned, Event, A, B, C, Device])
        {
            owned.Dispose();
        }
    }

    private long WorkspaceBytes => Device.Kernels.aios_reduce_workspace_size(1, N, 1, aios_reduce_op.Sum, aios_dtype.F32);
}

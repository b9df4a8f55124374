namespace AiOs.Runtime.Tests;

/// <summary>
/// What makes no managed object once it is warm. Alone in the process, since a collection that another test starts charges a
/// thread with the unused rest of its allocation context. The detector of races makes objects.
/// </summary>
[Collection("one at a time")]
public sealed class AllocationTests
{
    private const int N = 512;
    private static readonly DeviceOptions s_plain = new() { DetectRaces = false, CaptureCallSites = false };

    [Fact]
    public void A_pair_of_allocate_and_free_makes_no_managed_object()
    {
        using Device device = Device.Open(options: s_plain);
        using Stream stream = device.CreateStream();
        AssertNoObjects(10_000, i =>
        {
            Allocation small = device.Memory.Allocate(1000 + i % 7 * N, stream);
            Allocation large = device.Memory.Allocate(3 << 20, stream);
            device.Memory.Free(small);
            device.Memory.Free(large);
        });
        Assert.Equal(0, device.Memory.Statistics.LiveBlocks);
    }

    [Fact]
    public void A_scheduled_operation_makes_no_managed_object()
    {
        using Device device = Device.Open(options: s_plain);
        using Stream home = device.CreateStream();
        using var scheduler = new StreamScheduler(device);
        using DeviceMemory<float> x = device.Allocate<float>(N, home), y = device.Allocate<float>(N, home);
        AssertNoObjects(200, _ =>
        {
            scheduler.Run(Lane.Compute, x, static (stream, x) => x.Span.Fill(1, stream), Access.Write(x));
            scheduler.Run(Lane.Copy, (x, y), static (stream, s) => s.x.Span.CopyTo(s.y.Span, stream), Access.Read(x), Access.Write(y));
        });
        scheduler.Synchronize();
        scheduler.Join(home);
    }

    [Fact]
    public void A_launch_of_a_kernel_of_ones_own_makes_no_managed_object()
    {
        using Device device = Device.Open(CudaDevices.Backend, s_plain);
        using Stream stream = device.CreateStream();
        using CudaKernel add = CudaKernel.Compile(
            device, "extern \"C\" __global__ void add(float *x, float by, int n) { if (threadIdx.x < n) x[threadIdx.x] += by; }", "add");
        using DeviceMemory<float> memory = device.Allocate<float>(4, stream);
        memory.Span.Fill(0, stream);
        AssertNoObjects(100, i => add.Launch(stream, 1, 32, 0, memory, (float)i, 4));
        stream.Synchronize();
    }

    /// <summary>In a process that optimises code at once: what is not optimised yet boxes awaiters, for as long as the compiler's thread likes.</summary>
    [Fact]
    public Task A_wait_makes_no_managed_object() =>
        TestProcess.Run(typeof(AllocationTests), nameof(A_wait_in_optimised_code_makes_no_managed_object), [("DOTNET_TieredCompilation", "0")]);

    [Fact(Explicit = true)]
    public async Task A_wait_in_optimised_code_makes_no_managed_object()
    {
        const int Waits = 1000, Object = 24; // bytes of the smallest object
        using Device device = Device.Open(options: s_plain);
        using Stream stream = device.CreateStream();
        using DeviceMemory<byte> memory = device.Allocate<byte>(1 << 20, stream);
        long before = 0;
        for (int i = -Waits; i < Waits; i++)
        {
            before = i == 0 ? GC.GetTotalAllocatedBytes(true) : before;
            memory.Span.Fill((byte)i, stream);
            await stream.SynchronizeAsync(CancellationToken.None);
        }

        Assert.InRange(GC.GetTotalAllocatedBytes(true) - before, 0, (Waits * Object) - 1); // those of all threads, the test runner's too
    }

    /// <summary>An object per call would be in all of five runs; one in a run may be the compiler's or the collector's.</summary>
    private static void AssertNoObjects(int calls, Action<int> call)
    {
        long Run()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < calls; i++)
            {
                call(i);
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Run();
        Assert.Equal(0, Enumerable.Range(0, 5).Min(_ => Run()));
    }
}

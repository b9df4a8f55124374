using AiOs.Interop;

namespace AiOs.Runtime.Tests;

public sealed unsafe class StreamSchedulerTests
{
    private const int Buffers = 5, N = 512;

    /// <summary>
    /// Operations on random ranges, in any lanes, give the bits of running them one after the other, also when streams
    /// behave as badly as they may.
    /// </summary>
    [Theory]
    [InlineData(1, 1, 1, 0)]
    [InlineData(2, 1, 3, 0)]
    [InlineData(3, 2, 1, 31)]
    [InlineData(4, 4, 4, 32)]
    [InlineData(5, 1, 1, 33)]
    [InlineData(6, 3, 2, 34)]
    public void Random_programs_give_the_bits_of_their_order(int seed, int computeStreams, int copyStreams, int adversary)
    {
        using var behaviour = new Adversary(adversary);
        var random = new Random(seed);
        using Device device = Device.Open(options: new DeviceOptions { DetectRaces = true, Threads = 2 });
        using Stream home = device.CreateStream();
        using var scheduler = new StreamScheduler(device, new StreamSchedulerOptions { ComputeStreams = computeStreams, CopyStreams = copyStreams });
        DeviceMemory<float>[] buffers = [.. Enumerable.Range(0, Buffers).Select(_ => device.Allocate<float>(N, home))];
        float[][] model = [.. Enumerable.Range(0, Buffers).Select(_ => new float[N])];
        foreach (DeviceMemory<float> buffer in buffers)
        {
            buffer.Span.Fill(0, home);
        }

        scheduler.Join(home);
        for (int step = 0; step < 400; step++)
        {
            int length = random.Next(1, N / 2);
            int target = random.Next(Buffers), source = (target + random.Next(1, Buffers)) % Buffers;
            int to = random.Next(N - length), from = random.Next(N - length);
            nint destination = Address(buffers[target], to), origin = Address(buffers[source], from);
            Access write = Access.Write(buffers[target].Span.Slice(to, length)), read = Access.Read(buffers[source].Span.Slice(from, length));
            var lane = (Lane)random.Next(3);
            switch (random.Next(3))
            {
                case 0:
                    float value = random.Next(100);
                    scheduler.Run(lane, 0, (stream, _) => Fill(stream, destination, length, value), write);
                    model[target].AsSpan(to, length).Fill(value);
                    break;
                case 1:
                    scheduler.Run(lane, 0, (stream, _) => stream.Copy(destination, origin, length * sizeof(float)), write, read);
                    model[source].AsSpan(from, length).CopyTo(model[target].AsSpan(to));
                    break;
                default:
                    scheduler.Run(lane, 0, (stream, _) => Add(stream, destination, origin, length), write, read);
                    for (int i = 0; i < length; i++)
                    {
                        model[target][to + i] += model[source][from + i];
                    }

                    break;
            }
        }

        scheduler.Join(home);
        for (int i = 0; i < Buffers; i++)
        {
            float[] got = new float[N];
            buffers[i].CopyTo(got, home);
            Assert.Equal(model[i].Select(BitConverter.SingleToInt32Bits), got.Select(BitConverter.SingleToInt32Bits));
            buffers[i].Dispose();
        }

        StreamSchedulerStatistics statistics = scheduler.Statistics;
        Assert.Equal(400, statistics.Operations);
        Assert.InRange(statistics.Waits, 1, statistics.Dependencies - 1); // Some waits were implied by others.
        Assert.Empty(device.Races!.Reports);
    }

    [Fact]
    public void Lanes_run_at_the_same_time()
    {
        using var lab = new RaceLab();
        using var scheduler = new StreamScheduler(lab.Device);
        using ManualResetEventSlim copyRuns = new(), computeRuns = new();
        bool met = false;

        // Each can only end while the other runs. The time is for a scheduler that is broken; nothing depends on it.
        scheduler.Run(Lane.Compute, 0, (stream, _) => stream.Enqueue(() =>
        {
            computeRuns.Set();
            met = copyRuns.Wait(TestProcess.Patience);
        }), Access.Write(lab.X));
        scheduler.Run(Lane.Copy, 0, (stream, _) => stream.Enqueue(() =>
        {
            copyRuns.Set();
            computeRuns.Wait(TestProcess.Patience);
        }), Access.Write(lab.Y));
        scheduler.Synchronize();
        Assert.True(met);
    }

    [Fact]
    public void An_operation_that_says_too_little_is_found_by_the_race_detector()
    {
        using var lab = new RaceLab();
        using var scheduler = new StreamScheduler(lab.Device);
        scheduler.Run(Lane.Compute, lab, static (stream, lab) => lab.Fill(stream, lab.X), Access.Write(lab.X));
        RaceReport report = Assert.Throws<RaceException>(() => scheduler.Run(
            Lane.Copy, lab, static (stream, lab) => lab.X.Span.CopyTo(lab.Y.Span, stream), Access.Write(lab.Y))).Report;
        Assert.Equal((RaceKind.Unordered, "aios_fill", "copy"), (report.Kind, report.First!.Operation, report.Second.Operation));
        scheduler.Run(Lane.Copy, lab, static (stream, lab) => lab.X.Span.CopyTo(lab.Y.Span, stream), Access.Write(lab.Y), Access.Read(lab.X));
        scheduler.Synchronize();
    }

    [Fact]
    public void Only_the_waits_that_others_do_not_imply_are_made()
    {
        using var lab = new RaceLab();
        using var scheduler = new StreamScheduler(lab.Device);
        Write(Lane.Compute, lab.X);
        Write(Lane.Compute, lab.Y);
        Copy(lab.Y);
        Assert.Equal((1, 1), Counts());

        // The wait for Y was one for X too, which was written before it.
        Copy(lab.X);
        Assert.Equal((2, 1), Counts());

        // Reads of two lanes do not wait for each other; a write waits for both.
        scheduler.Run(Lane.Collective, lab, static (stream, _) => { }, Access.Read(lab.X));
        Assert.Equal((3, 2), Counts());
        Write(Lane.Compute, lab.X);
        Assert.Equal((5, 4), Counts());

        // Bytes beside each other are no dependency.
        scheduler.Synchronize();
        scheduler.Run(Lane.Compute, lab, static (stream, lab) => lab.X.Span.Slice(0, 8).Fill(0, stream), Access.Write(lab.X.Span.Slice(0, 8)));
        scheduler.Run(Lane.Copy, lab, static (stream, lab) => lab.X.Span.Slice(8, 8).Fill(0, stream), Access.Write(lab.X.Span.Slice(8, 8)));
        Assert.Equal(4, Counts().Waits);

        void Write(Lane lane, DeviceMemory<float> target) =>
            scheduler.Run(lane, (lab, target), static (stream, s) => s.lab.Fill(stream, s.target), Access.Write(target));
        void Copy(DeviceMemory<float> source) =>
            scheduler.Run(Lane.Copy, (lab, source), static (stream, s) => s.source.Span.CopyTo(s.lab.Z.Span, stream), Access.Read(source), Access.Write(lab.Z));
        (long Dependencies, long Waits) Counts() => (scheduler.Statistics.Dependencies, scheduler.Statistics.Waits);
    }

    [Fact]
    public void The_host_waits_for_what_it_accesses_and_a_callers_stream_can_take_part()
    {
        using var lab = new RaceLab();
        using var scheduler = new StreamScheduler(lab.Device);
        lab.Pinned.GetSpan().Fill(3);
        scheduler.Run(Lane.Copy, lab, static (stream, lab) => lab.X.CopyFrom(lab.Pinned, stream), Access.Read(lab.Pinned), Access.Write(lab.X));
        scheduler.WaitFor(Access.Write(lab.Pinned));
        lab.Pinned.GetSpan().Clear();
        scheduler.Run(lab.A, lab, static (stream, lab) => lab.Cast(stream, lab.Y, lab.X), Access.Read(lab.X), Access.Write(lab.Y));
        scheduler.Run(
            Lane.Copy, lab, static (stream, lab) => stream.Copy(lab.Pinned.Pointer, lab.Y.Pointer, lab.Pinned.Bytes), Access.Read(lab.Y), Access.Write(lab.Pinned));
        scheduler.WaitFor(Access.Read(lab.Pinned));
        foreach (float value in lab.Pinned.ReadOnlySpan)
        {
            Assert.Equal(3, value);
        }

        scheduler.Join(lab.B);
        lab.Fill(lab.B, lab.Y);
    }

    /// <summary>Makes the streams of the process behave badly until it is disposed.</summary>
    private sealed class Adversary : IDisposable
    {
        private static readonly CpuTable s_cpu = new(NativeLibraries.Probe(Providers.Cpu).Handle);

        public Adversary(int seed) => Assert.Equal(aios_status.Ok, s_cpu.aios_cpu_set_adversary((ulong)seed));

        public void Dispose() => s_cpu.aios_cpu_set_adversary(0);
    }

    private static nint Address(DeviceMemory<float> memory, int element) => memory.Pointer + (element * sizeof(float));

    private static void Fill(Stream stream, nint target, int n, float value) =>
        stream.Check(stream.Device.Kernels.aios_fill(stream.Handle, (void*)target, n, value, aios_dtype.F32), "aios_fill");

    private static void Add(Stream stream, nint target, nint source, int n)
    {
        var desc = new aios_elementwise_desc { rank = 1, dtype = aios_dtype.F32, alpha = 1 };
        desc.shape[0] = n;
        desc.out_stride[0] = desc.a_stride[0] = desc.b_stride[0] = 1;
        stream.Check(
            stream.Device.Kernels.aios_binary(stream.Handle, (void*)target, (void*)target, (void*)source, aios_binary_op.Add, &desc), "aios_binary");
    }

    [Fact]
    public void A_disposed_scheduler_takes_nothing()
    {
        using var lab = new RaceLab();
        var scheduler = new StreamScheduler(lab.Device);
        scheduler.Dispose();
        Assert.Throws<ObjectDisposedException>(() => scheduler.Join(lab.A));
        Assert.Throws<ObjectDisposedException>(() => scheduler.Run(lab.A, 0, static (_, _) => { }));
        Assert.Throws<ObjectDisposedException>(() => scheduler.Run(Lane.Copy, 0, static (_, _) => { }));
    }

    [Fact]
    public void A_scheduler_that_cannot_be_made_leaves_no_streams()
    {
        using Device device = Device.Open();
        Assert.Throws<ArgumentOutOfRangeException>(() => new StreamScheduler(device, new StreamSchedulerOptions { CollectiveStreams = 0 }));
        Assert.Empty(device.StreamNames());
    }
}

using AiOs.Interop;

namespace AiOs.Runtime.Tests;

/// <summary>Each planted race is found, its correct twin is not.</summary>
public sealed class RaceDetectorTests
{
    public static TheoryData<string> Names => [.. PlantedRace.All.Select(race => race.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_planted_race_is_found(string name)
    {
        PlantedRace race = PlantedRace.All.Single(candidate => candidate.Name == name);
        using var lab = new RaceLab();
        Assert.SkipWhen(
            lab.Device.Driver is not CpuDriver && (name is "optimizer step before the gradients of another stream" or "parameters read during an optimizer step"),
            "which tensors a table in device memory names is only known where the host can read it");
        RaceReport report = Assert.Throws<RaceException>(() => race.Run(lab, false)).Report;
        Assert.Equal((race.Kind, race.First, race.Second), (report.Kind, report.First?.Operation, report.Second.Operation));
        Assert.True(report.Bytes > 0);
        Assert.Contains(nameof(PlantedRace), report.Second.Stack, StringComparison.Ordinal);
        Assert.True(report.First is null || report.First.Stack.Contains(nameof(PlantedRace), StringComparison.Ordinal), report.ToString());
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Its_correct_twin_is_not(string name)
    {
        using var lab = new RaceLab();
        PlantedRace.All.Single(candidate => candidate.Name == name).Run(lab, true);
        lab.Device.Synchronize();
        Assert.Empty(lab.Races.Reports);
    }

    [Fact]
    public void Races_can_be_collected_instead()
    {
        using var lab = new RaceLab();
        lab.Races.Throws = false;
        lab.Fill(lab.A, lab.X);
        lab.Cast(lab.B, lab.Y, lab.X);
        lab.Fill(lab.C, lab.X);
        lab.Device.Synchronize();

        // The cast on B against the fill on A, and the fill on C against both.
        Assert.Equal([("aios_fill", "aios_cast"), ("aios_cast", "aios_fill")], lab.Races.Reports.Select(r => (r.First!.Operation, r.Second.Operation)));
        Assert.Equal(("a", false, "out", true), (lab.Races.Reports[0].Second.Buffer, lab.Races.Reports[0].Second.IsWrite, lab.Races.Reports[0].First!.Buffer, lab.Races.Reports[0].First!.IsWrite));
        Assert.Equal((lab.X.Pointer, lab.X.Bytes), ((nint)lab.Races.Reports[0].Start, lab.Races.Reports[0].Bytes));
    }

    [Fact]
    public void A_launch_that_races_is_not_enqueued()
    {
        using var lab = new RaceLab();
        lab.Fill(lab.A, lab.X);
        lab.A.Synchronize();
        lab.X.Span.Fill(0, lab.A);
        Assert.Throws<RaceException>(() => lab.Fill(lab.B, lab.X));
        lab.B.Synchronize();
        float[] got = new float[lab.X.Length];
        lab.X.CopyTo(got, lab.A);
        Assert.All(got, value => Assert.Equal(0, value));
    }

    [Fact]
    public unsafe void A_launch_that_was_refused_counts_for_nothing()
    {
        using var lab = new RaceLab();
        aios_status status = lab.Device.Kernels.aios_fill(lab.A.Handle, (void*)lab.X.Pointer, 8, 1, aios_dtype.I8);
        Assert.NotEqual(aios_status.Ok, status);
        lab.Fill(lab.B, lab.X);
        Assert.Equal(aios_status.InvalidArgument, lab.Device.Kernels.aios_fill(default, (void*)lab.X.Pointer, 8, 1, aios_dtype.F32));
    }

    [Fact]
    public unsafe void A_launch_that_was_refused_stands_for_nothing_before_it()
    {
        using var lab = new RaceLab();
        lab.Fill(lab.A, lab.X);
        lab.Order(lab.A, lab.B, true);
        Assert.NotEqual(aios_status.Ok, lab.Device.Kernels.aios_fill(lab.B.Handle, (void*)lab.X.Pointer, lab.X.Bytes, 1, aios_dtype.I8));
        Assert.Equal("aios_fill", Assert.Throws<RaceException>(() => lab.Fill(lab.C, lab.X)).Report.First!.Operation);
    }

    [Fact]
    public unsafe void A_launch_that_was_refused_in_a_capture_is_none_of_the_graphs()
    {
        using var lab = new RaceLab();
        using Graph graph = Graph.Capture(lab.A, stream =>
        {
            lab.Fill(stream, lab.X);
            Assert.NotEqual(aios_status.Ok, lab.Device.Kernels.aios_fill(stream.Handle, (void*)lab.Y.Pointer, 8, 1, aios_dtype.I8));
        });
        lab.Fill(lab.B, lab.Y);
        graph.Launch(lab.A);
    }

    [Fact]
    public void Launches_of_a_graph_are_in_order_on_whatever_streams()
    {
        using var lab = new RaceLab();
        using Graph graph = Graph.Capture(lab.A, stream => lab.Fill(stream, lab.X));
        lab.Fill(lab.A, lab.Y);
        graph.Launch(lab.A);
        lab.Fill(lab.A, lab.Z);
        graph.Launch(lab.B);
        lab.Cast(lab.B, lab.Y, lab.X);
        Assert.Throws<RaceException>(() => lab.Cast(lab.B, lab.X, lab.Z));
    }

    [Fact]
    public void A_host_function_has_its_place_however_late_it_runs()
    {
        using var lab = new RaceLab();
        using var go = new ManualResetEventSlim();
        lab.Races.Throws = false;
        using PinnedMemory<float> other = lab.Device.AllocatePinned<float>(16);
        lab.C.Copy(other.Pointer, lab.X.Pointer, other.Bytes);
        lab.C.Record(lab.Event);
        lab.A.Enqueue(() =>
        {
            go.Wait();
            _ = lab.Pinned.ReadOnlySpan[0];
            _ = other.ReadOnlySpan[0];
        });
        lab.A.WaitFor(lab.Event); // Too late for the function, which reads what the copy on C writes.
        lab.Order(lab.A, lab.B, true);
        lab.B.Copy(lab.Pinned.Pointer, lab.X.Pointer, lab.Pinned.Bytes); // After the function, though it is noted first.
        go.Set();
        lab.Device.Synchronize();
        RaceReport report = Assert.Single(lab.Races.Reports);
        Assert.Equal(("copy", "host", (long)other.Pointer), (report.First!.Operation, report.Second.Operation, report.Start));
    }

    [Fact]
    public void What_the_host_has_seen_done_is_ordered_for_everybody()
    {
        using var lab = new RaceLab();
        lab.Fill(lab.A, lab.X);
        lab.A.Record(lab.Event);
        lab.Event.Synchronize();
        lab.Cast(lab.B, lab.Y, lab.X);
        SpinWait.SpinUntil(() => lab.B.IsIdle);
        lab.Fill(lab.C, lab.Y);
    }

    [Fact]
    public void Memory_that_is_given_out_while_in_use_is_found_at_the_allocation_too()
    {
        using var lab = new RaceLab();
        lab.Races.Throws = false;
        using (DeviceMemory<float> first = lab.Device.Allocate<float>(1 << 20, lab.A))
        {
            lab.Fill(lab.B, first);
        }

        using DeviceMemory<float> second = lab.Device.Allocate<float>(1 << 20, lab.A);
        Assert.Equal([RaceKind.FreedTooEarly, RaceKind.ReusedTooEarly], lab.Races.Reports.Select(report => report.Kind));
        Assert.All(lab.Races.Reports, report => Assert.Equal("aios_fill", report.First!.Operation));
    }

    [Fact]
    public void An_allocation_that_is_a_race_leaves_no_block()
    {
        using var lab = new RaceLab();
        long live = lab.Device.Memory.Statistics.LiveBlocks;
        lab.Races.Throws = false;
        using (DeviceMemory<float> first = lab.Device.Allocate<float>(1 << 20, lab.A))
        {
            lab.Fill(lab.B, first);
        }

        lab.Races.Throws = true;
        var race = Assert.Throws<RaceException>(() => lab.Device.Allocate<float>(1 << 20, lab.A));
        Assert.Equal(RaceKind.ReusedTooEarly, race.Report.Kind);
        Assert.Equal(live, lab.Device.Memory.Statistics.LiveBlocks);
        lab.B.Synchronize();
        using DeviceMemory<float> second = lab.Device.Allocate<float>(1 << 20, lab.A);
        lab.Fill(lab.A, second);
    }

    [Fact]
    public void A_use_that_the_allocator_knows_of_makes_an_early_free_safe()
    {
        using var lab = new RaceLab();
        for (int i = 0; i < 3; i++)
        {
            using DeviceMemory<float> memory = lab.Device.Allocate<float>(1 << 20, lab.A);
            lab.B.Declare("all_reduce", Access.Write(memory));
            lab.Fill(lab.B, memory);
        }

        Assert.Empty(lab.Races.Reports);
    }

    [Fact]
    public void Memory_that_is_given_out_again_keeps_its_past()
    {
        using var lab = new RaceLab();
        nint address;
        using (DeviceMemory<float> first = lab.Device.Allocate<float>(1 << 20, lab.A))
        {
            address = first.Pointer;
            lab.Fill(lab.A, first);
        }

        using DeviceMemory<float> second = lab.Device.Allocate<float>(1 << 20, lab.A);
        Assert.Equal(address, second.Pointer);
        RaceReport report = Assert.Throws<RaceException>(() => lab.Fill(lab.B, second)).Report;
        Assert.Equal((RaceKind.Unordered, "aios_fill"), (report.Kind, report.First!.Operation));
        lab.Order(lab.A, lab.B, true);
        lab.Fill(lab.B, second);
        lab.B.Synchronize();
    }

    [Fact]
    public unsafe void Without_detection_the_table_is_the_providers_own()
    {
        using Device device = Device.Open(options: new DeviceOptions { DetectRaces = false });
        Assert.Null(device.Races);
        Assert.Same(device.Driver.Kernels, device.Kernels);
        using var lab = new RaceLab();
        KernelTable observed = lab.Device.Kernels, own = lab.Device.Driver.Kernels;
        Assert.NotEqual((nint)observed.aios_fill, (nint)own.aios_fill);
        Assert.Equal((nint)observed.aios_reduce_workspace_size, (nint)own.aios_reduce_workspace_size);
    }
}

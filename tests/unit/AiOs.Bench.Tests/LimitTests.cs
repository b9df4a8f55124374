using AiOs.Bench.Measure;
using AiOs.Interop;
using AiOs.Runtime;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Bench.Tests;

/// <summary>The limits: how traffic is split into what is measured, and that each kind of probe does what it says.</summary>
public sealed unsafe class LimitTests
{
    [Theory]
    [InlineData(100, 0, 0, 100, 0, 0, 0)] // a sum
    [InlineData(100, 100, 0, 0, 200, 0, 0)] // a copy
    [InlineData(200, 100, 0, 0, 0, 300, 0)] // a gradient of two operands
    [InlineData(500, 100, 0, 300, 0, 300, 0)]
    [InlineData(150, 100, 0, 0, 100, 150, 0)]
    [InlineData(16, 12, 12, 4, 0, 0, 24)] // AdamW: the gradient is read, the rest is updated
    [InlineData(14, 14, 12, 0, 4, 0, 24)] // with a master: the parameter is written, too
    [InlineData(10, 100, 0, 0, 110, 0, 0)] // a product with a large result
    public void Traffic_is_split_into_what_is_measured(
        double read, double written, double updated, double reads, double copies, double triads, double updates)
    {
        Work work = new(0, Arithmetic.None, read, written, updated);
        Assert.Equal(new Traffic(reads, copies, triads, updates), work.Traffic);
        Assert.Equal(read + written, work.Traffic.Read + work.Traffic.Copy + work.Traffic.Triad + work.Traffic.Update);
        Assert.Equal(read + written - updated, work.Footprint);
    }

    [Fact]
    public void The_least_time_adds_the_parts_of_the_traffic()
    {
        RoundLimits limits = new(1, 10, 5, 3, 4);
        Assert.Equal((10.0 / 10) + (30.0 / 3) + (40.0 / 4), limits.MemorySeconds(new Work(0, Arithmetic.None, 30 + 20, 10 + 20, 20)));
        Assert.Equal((10.0 / 5) + (15.0 / 3), limits.MemorySeconds(new Work(0, Arithmetic.None, 15, 10)));
        Assert.Equal(20, RoundLimits.Best(limits, limits with { Read = 20 }).Read);
    }

    [Fact]
    public void Distinct_bytes_choose_the_level()
    {
        using Device device = Device.Open("cpu", new DeviceOptions { Threads = 2 });
        using Stream stream = device.CreateStream();
        using LimitProbe probe = new(stream, 1 << 20);
        double cache = 2.0 * device.Info.L2Bytes;
        Assert.Equal(Level.L2, probe.LevelOf(new Work(0, Arithmetic.None, 0.9 * cache, 0.9 * cache, 0.9 * cache)));
        Assert.NotEqual(Level.L2, probe.LevelOf(new Work(0, Arithmetic.None, 0.9 * cache, 0.9 * cache)));
        Assert.Equal(Level.Dram, probe.LevelOf(new Work(0, Arithmetic.None, 64, 64, Cold: true)));
    }

    [Theory]
    [InlineData(aios_probe_kind.Read, 1.0)]
    [InlineData(aios_probe_kind.Copy, 1.0)]
    [InlineData(aios_probe_kind.CopyStream, 1.0)]
    [InlineData(aios_probe_kind.CopyBlocks, 1.0)]
    [InlineData(aios_probe_kind.Triad, 1.0)]
    [InlineData(aios_probe_kind.TriadStream, 1.0)]
    [InlineData(aios_probe_kind.Update, 2.0)] // every byte is read and written
    public void A_probe_counts_what_it_touches(aios_probe_kind kind, double times)
    {
        const int Bytes = 1 << 20, Passes = 3;
        using Device device = Device.Open("cpu", new DeviceOptions { Threads = 2 });
        using Stream stream = device.CreateStream();
        using DeviceMemory<float> buffer = device.Allocate<float>(Bytes / sizeof(float), stream);
        using DeviceMemory<double> result = device.Allocate<double>(2, stream);
        float[] values = new float[buffer.Length];
        Array.Fill(values, 8f);
        stream.CopyFromHost<float>(buffer.Pointer, values);
        stream.Check(
            device.Kernels.aios_probe(stream.Handle, (double*)result.Pointer, (void*)buffer.Pointer, Bytes, Passes, kind), "aios_probe");
        double[] measured = new double[2];
        result.CopyTo(measured, stream);
        buffer.CopyTo(values, stream);
        Assert.True(measured[0] > 0);
        Assert.InRange(measured[1], 0.98 * times * Bytes * Passes, times * Bytes * Passes);

        // x = x / 2 + 1 / 2 three times; a triad of equal numbers is one and a half of them.
        float written = kind switch
        {
            aios_probe_kind.Update => 1.875f,
            aios_probe_kind.Triad or aios_probe_kind.TriadStream => 12f,
            _ => 8f,
        };
        double share = kind switch { aios_probe_kind.Update => 0.98, aios_probe_kind.Triad or aios_probe_kind.TriadStream => 0.32, _ => 1 };
        Assert.True(values.Count(value => value == written) >= share * values.Length);
    }
}

using System.Diagnostics;

namespace AiOs.Runtime.Tests;

/// <summary>What a tool that listens to NVTX is told: that of tests/nvtx, in a process of its own.</summary>
public sealed class NvtxTests : IDisposable
{
    /// <summary>What the tool writes of a program that was compiled with the header of CUDA 12.4.</summary>
    private const string Attached = "version 3, modules 1:16 2:9 3:15 4:7 5:16 6:7";

    private static readonly string s_tool = Path.Combine(AppContext.BaseDirectory, "nvtx", "libaios_nvtx_tool.so");

    private readonly string _folder = Directory.CreateTempSubdirectory("aios-nvtx-").FullName;

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, true);

    [Fact]
    public async Task Activities_are_ranges_from_the_first_CUDA_device_on()
    {
        string[] told = await Run(s_tool);
        Assert.Contains(Attached, told);
        Assert.Equal(
            ["start 1 graph capture", "end 1", "start 2 mine", "start 3 graph launch", "end 3", "end 2"], told.Where(line => !line.StartsWith("version", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("NVTX_TOOL_REFUSES")]
    [InlineData("NVTX_TOOL_DEAF")]
    public async Task A_tool_that_will_not_listen_is_told_nothing(string variable) =>
        Assert.All(await Run(s_tool, (variable, "1")), line => Assert.Equal(Attached, line));

    [Fact]
    public async Task A_tool_that_is_not_there_changes_nothing()
    {
        Assert.Empty(await Run(Path.Combine(_folder, "none.so")));
        Assert.Empty(await Run(AppContext.BaseDirectory));
    }

    [Fact(Explicit = true)]
    public void Work()
    {
        using (Device cpu = Device.Open("cpu"))
        {
            Capture(cpu).Dispose();
        }

        using Device device = Device.Open(CudaDevices.Backend);
        using Graph graph = Capture(device);
        using var ours = new ActivitySource("AiOs.Runtime.Tests");
        using var others = new ActivitySource("Others");
        using Activity? notShown = others.StartActivity("not shown");
        using Activity? mine = ours.StartActivity("mine");
        graph.Launch(graph.Stream);
        var elsewhere = new Thread(() => mine?.Dispose()); // an activity may end on another thread than it began on
        elsewhere.Start();
        elsewhere.Join();
        graph.Stream.Synchronize();
    }

    private static Graph Capture(Device device) => Graph.Capture(device.CreateStream(), stream => stream.Enqueue(() => { }));

    private async Task<string[]> Run(string tool, params (string Name, string Value)[] more)
    {
        string log = Path.Combine(_folder, "log");
        await TestProcess.Run(typeof(NvtxTests), nameof(Work), [("NVTX_INJECTION64_PATH", tool), ("NVTX_TOOL_LOG", log), .. more]);
        return File.Exists(log) ? await File.ReadAllLinesAsync(log, TestContext.Current.CancellationToken) : [];
    }
}

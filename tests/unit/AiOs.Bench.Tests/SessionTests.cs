using AiOs.Bench.Results;
using AiOs.Runtime;

namespace AiOs.Bench.Tests;

/// <summary>Every family is run at a small shape. What is asserted is what was computed, never how long it took.</summary>
public sealed class SessionTests
{
    public static TheoryData<string, string, string> Small => new()
    {
        { "gemm", "f32", "17,33,65,nn;5,7,9,nt;8,6,4,tn;3,5,7,tt" },
        { "gemm", "bf16", "17,33,65,nn;5,7,9,nt" },
        { "gemm", "i8", "17,33,65,nn;6,40,37,nt;6,40,37,nt_packed" },
        { "gemm", "f32", "6,40,37,nt_packed;40,50,60,nn_packed" },
        { "qmatmul", "q4_k", "1,70,300;9,33,256" },
        { "qmatmul", "i8", "1,70,300;9,33,256" },
        { "qmatmul", "i4", "1,70,300;9,33,256" },
        { "attention", "f32", "2,3,17,8;1,2,70,64" },
        { "attention", "bf16", "2,3,17,8" },
        { "norm", "f32", "5,70" },
        { "norm", "bf16", "5,70" },
        { "crossentropy", "f32", "5,70" },
        { "crossentropy", "bf16", "5,70" },
        { "adamw", "f32", "1000" },
        { "adamw", "bf16", "1000" },
        { "launch", "f32", "3" },
        { "train", "f32", "2,4,tiny" },
        { "train", "bf16", "2,4,tiny" },
        { "softmax", "f32", "3,70;2,5000" },
        { "softmax", "bf16", "3,70" },
        { "copy", "bytes", "1000" },
    };

    [Theory]
    [MemberData(nameof(Small))]
    public void Results_are_right_and_complete(string benchmark, string dtype, string shapes)
    {
        BenchReport report = Run(benchmark, dtype, shapes, tamper: false);
        Assert.NotEmpty(report.Results);
        foreach (BenchResult result in report.Results)
        {
            Assert.True(result.Correct, result.Problem);
            Assert.Equal(dtype, result.DType);
            Assert.Equal("cpu", result.Backend);
            Assert.Equal(2, result.Threads);
            Assert.True(result.MedianUs > 0);
            Assert.True(result.P10Us <= result.MedianUs && result.MedianUs <= result.P90Us);
            Assert.Empty(result.Peers);
            Assert.Null(result.RatioToBestPeer);
        }

        Assert.All(report.Limits, limit => Assert.True(limit.Rate > 0, limit.Name));
    }

    /// <summary>The same cases on the simulated GPU, timed by its events; what its kernels do not have is a note.</summary>
    [Theory]
    [MemberData(nameof(Small))]
    public void Results_of_the_simulated_device_are_right_and_say_that_they_are_no_measurement(string benchmark, string dtype, string shapes)
    {
        BenchReport report = Run(benchmark, dtype, shapes, tamper: false, peers: true, backend: "cuda-sim");
        Assert.Equal("simulated: no figure is a measurement", report.Machine.Warning);
        Assert.Equal(report.Results.Count == 0 || shapes.Contains("packed", StringComparison.Ordinal), report.Notes.Any(note => note.Contains("is left out", StringComparison.Ordinal)));
        Assert.Equal(benchmark == "qmatmul" || shapes.StartsWith("6,40,37,nt_packed", StringComparison.Ordinal), report.Results.Count == 0);
        foreach (BenchResult result in report.Results)
        {
            Assert.True(result.Correct, result.Problem);
            Assert.Equal("cuda-sim", result.Backend);
            Assert.True(result.MedianUs >= 0);
            Assert.Empty(result.Peers);
        }
    }

    [Theory]
    [MemberData(nameof(Small))]
    public void A_wrong_result_is_found_and_not_timed(string benchmark, string dtype, string shapes)
    {
        BenchReport report = Run(benchmark, dtype, shapes, tamper: true);
        Assert.NotEmpty(report.Results);
        Assert.All(report.Results, result =>
        {
            Assert.False(result.Correct, result.Op);
            Assert.NotNull(result.Problem);
            Assert.Null(result.MedianUs);
            Assert.Null(result.LimitShare);
        });
    }

    [Theory]
    [InlineData("gem", null, null, "'gem'")]
    [InlineData("gemm", "i4", null, "--dtype i4")]
    [InlineData("copy", "f32", null, "--dtype f32: copy has no element types but bytes; leave --dtype out")]
    [InlineData("all", "i9", null, "--dtype i9")]
    [InlineData("gemm", null, "12,12", "--shapes 12,12")]
    [InlineData("gemm", null, "12,0,12", "from 1")]
    [InlineData("gemm", null, "12,12,12,xy", "nn|nt|tn|tt")]
    [InlineData("gemm", null, ";", "no shape")]
    [InlineData("softmax", null, "a,b", "rows,cols")]
    [InlineData("all", null, "1,2,3", "one benchmark")]
    public void Bad_input_is_named(string benchmark, string? dtype, string? shapes, string part)
    {
        BenchInputException error = Assert.Throws<BenchInputException>(
            () => BenchSession.Validate(new BenchSettings { Benchmark = benchmark, DType = dtype, Shapes = shapes }));
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Shapes_come_from_a_file_too()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "# one per line\n4,5,6,nt\n\n7,8,9 # the layout is nn\n");
            BenchReport report = Run("gemm", "f32", path, tamper: false);
            Assert.Equal(["4,5,6,nt", "7,8,9,nn"], report.Results.Select(result => result.Shape));
        }
        finally
        {
            File.Delete(path);
        }
    }

    internal static BenchReport Run(string benchmark, string dtype, string shapes, bool tamper, bool peers = false, string backend = "cpu")
    {
        using Device device = Device.Open(backend, new DeviceOptions { Threads = backend == "cpu" ? 2 : null, DetectRaces = false });
        return BenchSession.Run(
            device,
            new BenchSettings
            {
                Benchmark = benchmark,
                DType = dtype,
                Shapes = shapes,
                Rounds = 3,
                Peers = peers,
                SampleSeconds = 1e-5,
                CaseSeconds = 0,
                ColdBytes = 1 << 20,
                Tamper = tamper,
            },
            new Silent());
    }

    private sealed class Silent : IBenchObserver
    {
        public void Begins(BenchMachine machine, IReadOnlyList<MeasuredLimit> limits)
        {
        }

        public void Completed(BenchResult result)
        {
        }

        public void Noted(string note)
        {
        }
    }
}

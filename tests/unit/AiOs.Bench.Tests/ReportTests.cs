using System.Text.RegularExpressions;
using AiOs.Bench.Report;
using AiOs.Bench.Results;
using AiOs.Runtime;

namespace AiOs.Bench.Tests;

public sealed partial class ReportTests
{
    private static readonly BenchResult Product = new()
    {
        Benchmark = "gemm",
        Op = "gemm",
        Backend = "cpu",
        DType = "f32",
        Shape = "512,512,512,nn",
        Threads = 2,
        Level = "l3",
        Correct = true,
        MedianUs = 1234.5,
        P10Us = 1200,
        P90Us = 1300,
        Gflops = 217.4,
        Gbps = 2.5,
        LimitShare = 0.91,
        Limit = "fma_f32",
        LimitSpread = 0.3,
        Peers = new Dictionary<string, double> { ["openblas"] = 1400, ["onednn"] = 1300 },
        RatioToBestPeer = 1.05,
        Operations = 268435456,
        Bytes = 3145728,
        Rounds = 9,
    };

    private static readonly BenchReport Report = new(
        new BenchMachine("Proc <X> 5", "avx512", 2, "cpu", new DateTimeOffset(2026, 11, 21, 9, 0, 0, TimeSpan.Zero), "Linux", "0.1.0", ["OpenBLAS & co"], 1.5),
        [new("fma_f32", 5e11, "FLOP/s"), new("read_l1", 9e11, "B/s"), new("copy_dram", 5e10, "B/s"), new("read_dram", 5e10, "B/s")],
        [
            Product,
            Product with { Benchmark = "softmax", Op = "exp", Shape = "4,4", Gflops = null, Operations = 0, Peers = new Dictionary<string, double>(), RatioToBestPeer = null, LimitSpread = 0 },
            Product with { Shape = "9,9,9,nn", Correct = false, Problem = "c[0] is 1 < 2", MedianUs = null, Gflops = null, Gbps = null, LimitShare = null, RatioToBestPeer = null },
        ],
        ["a note"]);

    [Fact]
    public void The_page_refers_to_nothing_outside_itself()
    {
        string page = RooflinePage.Render(Report);
        Assert.StartsWith("<!doctype html>", page, StringComparison.Ordinal);
        Assert.DoesNotMatch(External(), page);
        Assert.DoesNotContain("{{", page, StringComparison.Ordinal);
        Assert.Contains("<svg", page, StringComparison.Ordinal);
        Assert.Contains("512,512,512,nn", page, StringComparison.Ordinal);
        Assert.Contains("Proc &lt;X&gt; 5", page, StringComparison.Ordinal);
        Assert.Contains("c[0] is 1 &lt; 2", page, StringComparison.Ordinal);
        Assert.Equal(2, Circle().Count(page));
    }

    [Fact]
    public void Nothing_is_wider_than_a_terminal()
    {
        using StringWriter text = new();
        ResultTable table = new(text);
        table.Begins(Report.Machine, [.. Enumerable.Range(0, 9).Select(i => new MeasuredLimit($"copy_stream_dram{i}", 1e11, "B/s"))]);
        table.Completed(Product with { Shape = "4096,4096,14336,nt_packed", MedianUs = 1234567.8, Level = "dram", Gflops = 12345.6, LimitShare = 1.08, Peers = new Dictionary<string, double> { ["tensor_primitives"] = 1 } });
        table.Completed(Report.Results[2]);
        table.Noted(string.Join(' ', Enumerable.Repeat("a rather long note", 9)));
        string[] lines = text.ToString().Split(Environment.NewLine);
        Assert.All(lines, line => Assert.InRange(line.Length, 0, 80));
        Assert.All(Enumerable.Range(0, 9), i => Assert.Contains($"copy_stream_dram{i} 100 GB/s", text.ToString(), StringComparison.Ordinal));
    }

    [Fact]
    public void Every_form_says_under_which_clocks_it_was_taken()
    {
        var before = new DeviceSensors
        {
            DriverVersion = "550.54",
            TemperatureCelsius = 41,
            PowerWatts = 112,
            PowerLimitWatts = 700,
            SmClockMhz = 1980,
            SmClockMaxMhz = 1980,
            MemoryClockMhz = 2619,
            ClockLimits = ClockLimits.Idle,
        };
        DeviceSensors after = before with { TemperatureCelsius = 83, SmClockMhz = 1200, ClockLimits = ClockLimits.PowerCap };
        BenchReport report = Report with { Machine = Report.Machine with { Sensors = before }, SensorsAfter = after };
        const string Text = "Driver 550.54. The device before the run: 41 °C, 112 of 700 W, SM clock 1980 of 1980 MHz, memory clock 2619 MHz. "
            + "After it: 83 °C, 112 of 700 W, SM clock 1200 of 1980 MHz, memory clock 2619 MHz, clocks held back by power cap.";
        Assert.Contains("\n\n" + Text + "\n\n", MarkdownResults.Render("gemm", report.Results, report, "aios bench gemm"), StringComparison.Ordinal);
        Assert.Contains(Text, System.Net.WebUtility.HtmlDecode(RooflinePage.Render(report)), StringComparison.Ordinal);
        using StringWriter people = new();
        new ResultTable(people).Begins(report.Machine, report.Limits);
        Assert.Contains("41 °C", people.ToString(), StringComparison.Ordinal);
        Assert.All(people.ToString().Split(Environment.NewLine), line => Assert.InRange(line.Length, 0, 80));
        Assert.DoesNotContain("Driver", MarkdownResults.Render("gemm", Report.Results, Report, "aios bench gemm"), StringComparison.Ordinal);
    }

    [Fact]
    public void Coordinates_are_inside_the_picture()
    {
        MatchCollection circles = Circle().Matches(RooflinePage.Render(Report));
        Assert.All(circles, match =>
        {
            Assert.InRange(double.Parse(match.Groups[1].ValueSpan, System.Globalization.CultureInfo.InvariantCulture), 66, 976);
            Assert.InRange(double.Parse(match.Groups[2].ValueSpan, System.Globalization.CultureInfo.InvariantCulture), 16, 422);
        });
    }

    [Fact]
    public void Lines_fit_a_terminal()
    {
        StringWriter writer = new();
        ResultTable table = new(writer);
        table.Begins(Report.Machine, Report.Limits);
        foreach (BenchResult result in Report.Results)
        {
            table.Completed(result);
        }

        string[] lines = writer.ToString().Split('\n');
        Assert.All(lines, line => Assert.True(line.TrimEnd('\r').Length <= 80, line));
        Assert.Contains(lines, line => line.Contains("1,234", StringComparison.Ordinal) && line.Contains("~91 %", StringComparison.Ordinal)
            && line.Contains("onednn", StringComparison.Ordinal) && line.Contains("1.05", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.Contains("WRONG: c[0] is 1 < 2", StringComparison.Ordinal));
    }

    [Fact]
    public void Markdown_is_written_by_benchmark_and_processor()
    {
        string directory = Directory.CreateTempSubdirectory().FullName;
        try
        {
            IReadOnlyList<string> paths = MarkdownResults.Write(directory, Report, "aios bench all");
            Assert.Equal(
                [Path.Combine(directory, "proc-x-5-avx512-2", "gemm.md"), Path.Combine(directory, "proc-x-5-avx512-2", "softmax.md")], paths);
            string[] lines = File.ReadAllLines(paths[0]);
            Assert.Contains(lines, line => line.Contains("`aios bench all`", StringComparison.Ordinal) && line.Contains("2026-11-21", StringComparison.Ordinal));
            Assert.Contains("| 512,512,512,nn | l3 | 1,234 | 1,200-1,300 | 217.4 | 2.5 | ~91 % | 1,400 | 1,300 | 1.05 |", lines);
            Assert.Contains("| 9,9,9,nn | wrong: c[0] is 1 < 2 |", lines);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [GeneratedRegex("(https?:)?//[a-z]|src=|href=|@import|url\\(", RegexOptions.IgnoreCase)]
    private static partial Regex External();

    [GeneratedRegex("<circle [^>]*cx=\"([0-9.]+)\" cy=\"([0-9.]+)\"")]
    private static partial Regex Circle();
}

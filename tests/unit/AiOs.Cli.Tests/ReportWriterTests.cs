using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using AiOs.Cli.Reports;

namespace AiOs.Cli.Tests;

public sealed partial class ReportWriterTests
{
    private static readonly ReportData Example = new()
    {
        Title = "GPT <4 layers>",
        Summary = "600 steps & more",
        Steps = [.. Enumerable.Range(0, 600).Select(i => new ReportStep(i, 5.5 * Math.Exp(-i / 80.0) + 1.7 + (0.08 * Math.Sin(i * 1.7)), 1e-3 * Math.Min(1, (i + 1) / 30.0), 41000 + (3000 * Math.Sin(i)), 180L << 20))],
        Validation = [.. Enumerable.Range(1, 10).Select(i => new ReportValidation(i * 60, 5.5 * Math.Exp(-i * 60 / 80.0) + 1.8))],
        Bigram = 2.4123,
        Sample = "public sealed class <script>alert(1)</script>",
        Tables =
        [
            new("Configuration", [new("layers", "4"), new("learning rate", "0.001")]),
            new("Environment", [new("device", "cpu"), new("kernels", "avx512")]),
        ],
        Written = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
    };

    [Fact]
    public void Page_is_self_contained_and_complete()
    {
        string page = ReportWriter.Render(Example);

        Assert.StartsWith("<!doctype html>", page, StringComparison.Ordinal);
        Assert.DoesNotContain("{{", page, StringComparison.Ordinal);
        Assert.DoesNotMatch(ExternalResource(), page);
        Assert.Contains("GPT &lt;4 layers&gt;", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<script>alert", page, StringComparison.Ordinal);
        Assert.Contains("2.412", page, StringComparison.Ordinal);
        Assert.Contains("beaten", page, StringComparison.Ordinal);
        Assert.Contains("avx512", page, StringComparison.Ordinal);
        Assert.Equal(4, Svg().Count(page));
    }

    [Fact]
    public void Charts_are_well_formed_and_put_points_where_the_axes_say()
    {
        string page = ReportWriter.Render(Example);
        foreach (Match match in Svg().Matches(page))
        {
            XElement svg = XElement.Parse(match.Value);
            double[] box = [.. svg.Attribute("viewBox")!.Value.Split(' ').Select(Number)];
            foreach (XElement path in svg.Elements("path"))
            {
                foreach (string point in path.Attribute("d")!.Value.Split(['M', 'L'], StringSplitOptions.RemoveEmptyEntries))
                {
                    string[] xy = point.Split(' ');
                    Assert.InRange(Number(xy[0]), 0, box[2]);
                    Assert.InRange(Number(xy[1]), 0, box[3]);
                }
            }
        }
    }

    [Fact]
    public void Values_under_the_pointer_are_the_values_of_the_run()
    {
        Match data = ChartData().Match(ReportWriter.Render(Example));
        using JsonDocument json = JsonDocument.Parse(data.Groups[1].Value);
        JsonElement validation = json.RootElement.GetProperty("series").EnumerateArray().Single(s => s.GetProperty("name").GetString() == "validation");
        JsonElement last = validation.GetProperty("points").EnumerateArray().Last();

        Assert.Equal(600, last[0].GetDouble());
        Assert.Equal(Example.Validation[^1].Loss, last[1].GetDouble(), 4);
    }

    [Fact]
    public void Run_with_one_step_or_with_losses_that_are_not_numbers_still_makes_a_page()
    {
        ReportData one = Example with { Steps = [new(0, double.NaN, 0, 0, 0)], Validation = [], Bigram = null, Sample = null };
        string page = ReportWriter.Render(one);

        Assert.DoesNotContain("NaN", page.Replace("<dd>NaN", string.Empty, StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.DoesNotContain("Infinity", page, StringComparison.Ordinal);
        Assert.DoesNotContain("Generated text", page, StringComparison.Ordinal);
        Assert.Contains("<svg", ReportWriter.Render(one with { Steps = [] }), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(10, 800)]
    [InlineData(801, 800)]
    [InlineData(100_000, 800)]
    public void Thinning_keeps_the_mean_and_the_order(int count, int maximum)
    {
        (double X, double Y)[] points = [.. Enumerable.Range(0, count).Select(i => ((double)i, Math.Sin(i)))];
        IReadOnlyList<(double X, double Y)> thin = ReportWriter.Thin(points, maximum);

        Assert.True(thin.Count <= maximum);
        Assert.Equal(thin.OrderBy(p => p.X), thin);
        Assert.Equal(points.Average(p => p.Y), thin.Average(p => p.Y), 2);
    }

    [Fact]
    public void Writing_leaves_only_the_page()
    {
        using TemporaryDirectory directory = new();
        ReportWriter.Write(directory.File("report.html"), Example);

        Assert.Equal(["report.html"], Directory.GetFiles(directory.Path).Select(Path.GetFileName));
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    [GeneratedRegex("<svg.*?</svg>", RegexOptions.Singleline)]
    private static partial Regex Svg();

    [GeneratedRegex("<script type=\"application/json\">(.*?)</script>", RegexOptions.Singleline)]
    private static partial Regex ChartData();

    [GeneratedRegex("(src|href)=|url\\(|@import|https?://")]
    private static partial Regex ExternalResource();
}

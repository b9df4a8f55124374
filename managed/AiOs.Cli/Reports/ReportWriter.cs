using System.Globalization;
using System.Net;
using System.Text;
using AiOs.Runtime;

namespace AiOs.Cli.Reports;

/// <summary>Writes a training run as one self-contained HTML page: no file, font or script from anywhere else.</summary>
internal static class ReportWriter
{
    /// <summary>Points per curve; longer runs are averaged down so that the page stays small and draws at once.</summary>
    private const int MaximumPoints = 800;

    private static readonly Lazy<string> Template = new(() => HtmlPage.Template(typeof(ReportWriter), "report.html"));

    /// <summary>Writes the page beside its final name and renames it, so that a reader never sees half a page.</summary>
    public static void Write(string path, ReportData data)
    {
        string temporary = path + ".tmp";
        try
        {
            File.WriteAllText(temporary, Render(data), new UTF8Encoding(false));
            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>The page.</summary>
    public static string Render(ReportData data) => Template.Value
        .Replace("{{title}}", WebUtility.HtmlEncode(data.Title), StringComparison.Ordinal)
        .Replace("{{summary}}", WebUtility.HtmlEncode(data.Summary), StringComparison.Ordinal)
        .Replace("{{figures}}", Figures(data), StringComparison.Ordinal)
        .Replace("{{charts}}", Charts(data), StringComparison.Ordinal)
        .Replace("{{tables}}", Tables(data.Tables), StringComparison.Ordinal)
        .Replace("{{written}}", data.Written.ToString("yyyy-MM-dd HH:mm:ss zzz", CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("{{sample}}", Sample(data.Sample), StringComparison.Ordinal);

    /// <summary>At most <paramref name="maximum"/> points: each is the mean of a run of neighbours.</summary>
    public static IReadOnlyList<(double X, double Y)> Thin(IReadOnlyList<(double X, double Y)> points, int maximum)
    {
        if (points.Count <= maximum)
        {
            return points;
        }

        List<(double, double)> thin = new(maximum);
        for (int i = 0; i < maximum; i++)
        {
            int from = (int)((long)i * points.Count / maximum);
            int to = (int)((long)(i + 1) * points.Count / maximum);
            double x = 0;
            double y = 0;
            for (int j = from; j < to; j++)
            {
                x += points[j].X;
                y += points[j].Y;
            }

            thin.Add((Math.Round(x / (to - from)), y / (to - from)));
        }

        return thin;
    }

    /// <summary>Centred moving average, which does not lag behind; its window narrows towards both ends.</summary>
    public static IReadOnlyList<(double X, double Y)> Smooth(IReadOnlyList<(double X, double Y)> points)
    {
        int reach = Math.Clamp(points.Count / 50, 0, 16);
        List<(double, double)> smooth = new(points.Count);
        for (int i = 0; i < points.Count; i++)
        {
            int half = Math.Min(reach, Math.Min(i, points.Count - 1 - i));
            double sum = 0;
            for (int j = i - half; j <= i + half; j++)
            {
                sum += points[j].Y;
            }

            smooth.Add((points[i].X, sum / ((2 * half) + 1)));
        }

        return smooth;
    }

    private static string Figures(ReportData data)
    {
        StringBuilder html = new();
        if (data.Validation.Count > 0)
        {
            Figure(html, "validation loss", Number(data.Validation[^1].Loss, "F3"), "nats per token");
        }

        if (data.Bigram is { } bigram)
        {
            bool beaten = data.Validation.Count > 0 && data.Validation[^1].Loss < bigram;
            Figure(html, "bigram model", Number(bigram, "F3"), beaten ? "beaten" : "not beaten");
        }

        if (data.Steps.Count > 0)
        {
            Figure(html, "training loss", Number(data.Steps[^1].Loss, "F3"), "last step");
            Figure(html, "steps", Number(data.Steps[^1].Step + 1, "N0"), "done");
            double[] rates = [.. data.Steps.Select(s => s.TokensPerSecond).Order()];
            Figure(html, "throughput", Number(rates[rates.Length / 2], "N0"), "tokens/s, median");
            Figure(html, "peak memory", Number(data.Steps.Max(s => s.MemoryBytes) / 1048576.0, "N0"), "MiB of device memory");
        }

        return html.ToString();
    }

    private static void Figure(StringBuilder html, string name, string value, string note) =>
        html.Append("<div><dt>").Append(name).Append("</dt><dd>").Append(value).Append("<small>").Append(note).Append("</small></dd></div>\n");

    private static string Charts(ReportData data)
    {
        IReadOnlyList<(double X, double Y)> Curve(Func<ReportStep, double> value) =>
            Thin([.. data.Steps.Select(s => ((double)s.Step, value(s)))], MaximumPoints);

        IReadOnlyList<(double X, double Y)> loss = Curve(s => s.Loss);
        List<ChartSeries> curves =
        [
            new("training, every step", "train raw", loss, Readout: false),
            new("training", "train", Smooth(loss)),
        ];
        if (data.Validation.Count > 0)
        {
            curves.Add(new("validation", "validation", [.. data.Validation.Select(v => ((double)v.Step, v.Loss))], Markers: data.Validation.Count <= 60));
        }

        if (data.Bigram is { } bigram)
        {
            double end = Math.Max(data.Steps.Count > 0 ? data.Steps[^1].Step : 1, data.Validation.Count > 0 ? data.Validation[^1].Step : 1);
            curves.Add(new("bigram model", "bigram", [(0, bigram), (end, bigram)]));
        }

        StringBuilder html = new();
        new LineChart { Title = "Loss", Unit = "nats per token", Series = curves }.Write(html);
        html.Append("<div class=\"small-charts\">\n");
        Small("Learning rate", "per update", "rate", Curve(s => s.LearningRate), "e", v => v == 0 ? "0" : v.ToString("0.#e-0", CultureInfo.InvariantCulture));
        Small("Throughput", "tokens per second", "rate", Curve(s => s.TokensPerSecond), "0", Thousands);
        Small("Memory", "MiB of device memory", "rate", Curve(s => s.MemoryBytes / 1048576.0), "1", null);
        html.Append("</div>\n");
        return html.ToString();

        void Small(string title, string unit, string style, IReadOnlyList<(double X, double Y)> points, string readout, Func<double, string>? label) =>
            new LineChart
            {
                Title = title,
                Unit = unit,
                Series = [new(title, style, points)],
                Width = 430,
                Height = 220,
                FromZero = true,
                Readout = readout,
                Label = label,
            }.Write(html);
    }

    private static string Thousands(double value) =>
        Math.Abs(value) >= 1000 ? Number(value / 1000, "0.#") + "k" : Number(value, "0.#");

    private static string Sample(string? sample) => sample is null
        ? string.Empty
        : "<section><h2>Generated text</h2><pre>" + WebUtility.HtmlEncode(sample) + "</pre></section>\n";

    private static string Tables(IReadOnlyList<ReportTable> tables)
    {
        StringBuilder html = new();
        foreach (ReportTable table in tables)
        {
            html.Append("<section><h2>").Append(WebUtility.HtmlEncode(table.Title)).Append("</h2><table>\n");
            foreach ((string name, string value) in table.Rows)
            {
                html.Append("<tr><th scope=\"row\">").Append(WebUtility.HtmlEncode(name)).Append("</th><td>")
                    .Append(WebUtility.HtmlEncode(value)).Append("</td></tr>\n");
            }

            html.Append("</table></section>\n");
        }

        return html.ToString();
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}

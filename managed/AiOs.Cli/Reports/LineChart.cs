using System.Globalization;
using System.Net;
using System.Text;

namespace AiOs.Cli.Reports;

/// <summary>One curve of a chart.</summary>
/// <param name="Name">Name in the legend and beside the value under the pointer.</param>
/// <param name="Style">CSS class that gives colour and stroke.</param>
/// <param name="Points">Points in the order of x.</param>
/// <param name="Readout">Whether the value under the pointer is shown and the curve is in the legend.</param>
/// <param name="Markers">Whether every point gets a dot.</param>
internal sealed record ChartSeries(
    string Name, string Style, IReadOnlyList<(double X, double Y)> Points, bool Readout = true, bool Markers = false);

/// <summary>A line chart over steps as one inline SVG; the page's script adds the values under the pointer.</summary>
internal sealed record LineChart
{
    private const int Left = 58;
    private const int Right = 14;
    private const int Top = 12;
    private const int Bottom = 30;

    public required string Title { get; init; }

    /// <summary>Unit of the values, shown beside the title.</summary>
    public required string Unit { get; init; }

    public required IReadOnlyList<ChartSeries> Series { get; init; }

    public int Width { get; init; } = 1000;

    public int Height { get; init; } = 360;

    /// <summary>Whether the vertical axis starts at zero.</summary>
    public bool FromZero { get; init; }

    /// <summary>Format of the values under the pointer, understood by the page's script: decimals, or <c>e</c> for scientific.</summary>
    public string Readout { get; init; } = "3";

    /// <summary>Labels of the vertical axis; null for plain numbers.</summary>
    public Func<double, string>? Label { get; init; }

    /// <summary>Appends the chart as a <c>figure</c>.</summary>
    public void Write(StringBuilder html)
    {
        IEnumerable<(double X, double Y)> all = Series.SelectMany(s => s.Points).Where(p => double.IsFinite(p.Y));
        double last = all.Select(p => p.X).DefaultIfEmpty(1).Max();
        ChartScale x = new(0, Math.Max(1, last), Left, Width - Right);
        ChartScale y = ChartScale.Cover(all.Select(p => p.Y), FromZero, Height - Bottom, Top);

        html.Append("<figure class=\"chart\"><figcaption><b>").Append(WebUtility.HtmlEncode(Title)).Append("</b> <span>")
            .Append(WebUtility.HtmlEncode(Unit)).Append("</span>");
        WriteLegend(html);
        html.Append("</figcaption>\n<svg viewBox=\"0 0 ").Append(Width).Append(' ').Append(Height)
            .Append("\" role=\"img\" aria-label=\"").Append(WebUtility.HtmlEncode(Title)).Append(" by step\">\n");
        WriteAxes(html, x, y);
        foreach (ChartSeries series in Series)
        {
            WriteSeries(html, series, x, y);
        }

        html.Append("<line class=\"cursor\" y1=\"").Append(Top).Append("\" y2=\"").Append(Height - Bottom)
            .Append("\" hidden=\"\"/></svg>\n");
        WriteReadoutData(html, x, y);
        html.Append("</figure>\n");
    }

    private void WriteLegend(StringBuilder html)
    {
        if (Series.Count(s => s.Readout) < 2)
        {
            return;
        }

        html.Append("<span class=\"legend\">");
        foreach (ChartSeries series in Series.Where(s => s.Readout))
        {
            html.Append("<i class=\"").Append(series.Style).Append("\"></i>").Append(WebUtility.HtmlEncode(series.Name)).Append(' ');
        }

        html.Append("</span>");
    }

    private void WriteAxes(StringBuilder html, ChartScale x, ChartScale y)
    {
        int count = Math.Max(3, Height / 60);
        int decimals = y.TickDecimals(count);
        foreach (double tick in y.Ticks(count))
        {
            string label = Label is null ? tick.ToString("F" + decimals, CultureInfo.InvariantCulture) : Label(tick);
            html.Append(CultureInfo.InvariantCulture, $"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{y[tick]:F1}\" y2=\"{y[tick]:F1}\"/>")
                .Append(CultureInfo.InvariantCulture, $"<text class=\"tick\" x=\"{Left - 8}\" y=\"{y[tick] + 4:F1}\" text-anchor=\"end\">{label}</text>\n");
        }

        int across = Math.Max(3, Width / 110);
        foreach (double tick in x.Ticks(across).Where(t => t == Math.Floor(t)))
        {
            html.Append(CultureInfo.InvariantCulture, $"<text class=\"tick\" x=\"{x[tick]:F1}\" y=\"{Height - 8}\" text-anchor=\"middle\">{tick:F0}</text>\n");
        }
    }

    private static void WriteSeries(StringBuilder html, ChartSeries series, ChartScale x, ChartScale y)
    {
        html.Append("<path class=\"line ").Append(series.Style).Append("\" d=\"");
        char command = 'M';
        foreach ((double px, double py) in series.Points)
        {
            if (!double.IsFinite(py))
            {
                command = 'M';
                continue;
            }

            html.Append(CultureInfo.InvariantCulture, $"{command}{x[px]:F1} {y[py]:F1}");
            command = 'L';
        }

        html.Append("\"/>\n");
        if (series.Markers)
        {
            foreach ((double px, double py) in series.Points.Where(p => double.IsFinite(p.Y)))
            {
                html.Append(CultureInfo.InvariantCulture, $"<circle class=\"dot {series.Style}\" cx=\"{x[px]:F1}\" cy=\"{y[py]:F1}\" r=\"3.5\"/>");
            }
        }
    }

    /// <summary>The same points as data: what the script needs to find the step under the pointer and its values.</summary>
    private void WriteReadoutData(StringBuilder html, ChartScale x, ChartScale y)
    {
        html.Append(CultureInfo.InvariantCulture,
            $"<script type=\"application/json\">{{\"x\":[{x.Low:R},{x.High:R},{x.PixelLow:R},{x.PixelHigh:R}],\"y\":[{y.Low:R},{y.High:R},{y.PixelLow:R},{y.PixelHigh:R}],\"readout\":\"{Readout}\",\"series\":[");
        string comma = string.Empty;
        foreach (ChartSeries series in Series.Where(s => s.Readout))
        {
            html.Append(comma).Append("{\"name\":\"").Append(series.Name).Append("\",\"style\":\"").Append(series.Style).Append("\",\"points\":[");
            html.AppendJoin(',', series.Points.Where(p => double.IsFinite(p.Y))
                .Select(p => string.Create(CultureInfo.InvariantCulture, $"[{p.X:R},{p.Y:G6}]")));
            html.Append("]}");
            comma = ",";
        }

        html.Append("]}</script>\n");
    }
}

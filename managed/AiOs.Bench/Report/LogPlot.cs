using System.Globalization;
using System.Net;
using System.Text;

namespace AiOs.Bench.Report;

/// <summary>A line of a plot with a label at its upper end.</summary>
internal sealed record PlotLine(string Label, string Style, IReadOnlyList<(double X, double Y)> Points);

/// <summary>A point of a plot; the tip is shown under the pointer.</summary>
internal sealed record PlotPoint(double X, double Y, string Style, string Tip);

/// <summary>A plot with two logarithmic axes as inline SVG.</summary>
internal sealed record LogPlot
{
    private const int Width = 1000, Height = 470, Left = 66, Right = 24, Top = 16, Bottom = 48;
    private const int LabelWidth = 180, LabelHeight = 14;

    public required string Title { get; init; }

    public required string XLabel { get; init; }

    public required string YLabel { get; init; }

    public required (double Low, double High) X { get; init; }

    public required (double Low, double High) Y { get; init; }

    public required IReadOnlyList<PlotLine> Lines { get; init; }

    public required IReadOnlyList<PlotPoint> Points { get; init; }

    /// <summary>Labels of the horizontal axis.</summary>
    public Func<double, string> XTick { get; init; } = Plain;

    /// <summary>Range that covers values with some room, in whole steps of the axis.</summary>
    public static (double Low, double High) Cover(IEnumerable<double> values, double least, double greatest)
    {
        double low = least, high = greatest;
        foreach (double value in values.Where(v => v > 0 && double.IsFinite(v)))
        {
            low = Math.Min(low, value);
            high = Math.Max(high, value);
        }

        return (low / 1.6, high * 1.6);
    }

    /// <summary>Appends the plot as a <c>figure</c>.</summary>
    public void Write(StringBuilder html)
    {
        html.Append("<figure class=\"chart\"><figcaption><b>").Append(WebUtility.HtmlEncode(Title)).Append("</b></figcaption>\n<div class=\"scroll\" tabindex=\"0\"><svg viewBox=\"0 0 ")
            .Append(Width).Append(' ').Append(Height).Append("\" role=\"img\" aria-label=\"").Append(WebUtility.HtmlEncode(Title)).Append("\">\n");
        foreach (double tick in Ticks(X))
        {
            html.Append(CultureInfo.InvariantCulture, $"<line class=\"grid\" x1=\"{AtX(tick):F1}\" x2=\"{AtX(tick):F1}\" y1=\"{Top}\" y2=\"{Height - Bottom}\"/>")
                .Append(CultureInfo.InvariantCulture, $"<text class=\"tick\" x=\"{AtX(tick):F1}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">{XTick(tick)}</text>\n");
        }

        foreach (double tick in Ticks(Y))
        {
            html.Append(CultureInfo.InvariantCulture, $"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{AtY(tick):F1}\" y2=\"{AtY(tick):F1}\"/>")
                .Append(CultureInfo.InvariantCulture, $"<text class=\"tick\" x=\"{Left - 8}\" y=\"{AtY(tick) + 4:F1}\" text-anchor=\"end\">{Plain(tick)}</text>\n");
        }

        html.Append(CultureInfo.InvariantCulture, $"<text class=\"axis\" x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 8}\" text-anchor=\"middle\">{WebUtility.HtmlEncode(XLabel)}</text>\n")
            .Append(CultureInfo.InvariantCulture, $"<text class=\"axis\" transform=\"translate(14 {(Top + Height - Bottom) / 2}) rotate(-90)\" text-anchor=\"middle\">{WebUtility.HtmlEncode(YLabel)}</text>\n");
        foreach (PlotLine line in Lines)
        {
            WriteLine(html, line);
        }

        foreach (PlotPoint point in Points)
        {
            string tip = WebUtility.HtmlEncode(point.Tip);
            html.Append(CultureInfo.InvariantCulture, $"<circle class=\"{point.Style}\" cx=\"{AtX(point.X):F1}\" cy=\"{AtY(point.Y):F1}\" r=\"5\" tabindex=\"0\" data-tip=\"{tip}\"><title>{tip}</title></circle>\n");
        }

        html.Append("</svg></div></figure>\n");
    }

    private void WriteLine(StringBuilder html, PlotLine line)
    {
        (double X, double Y)[] inside = [.. line.Points.Select(p => (Math.Clamp(AtX(p.X), Left, Width - Right), AtY(p.Y)))];
        html.Append("<polyline class=\"").Append(line.Style).Append("\" points=\"");
        html.AppendJoin(' ', inside.Select(p => string.Create(CultureInfo.InvariantCulture, $"{p.X:F1},{p.Y:F1}"))).Append("\"/>");
        bool level = line.Points[0].Y == line.Points[^1].Y;
        (double x, double y) = level ? inside[^1] : inside[0];
        if (level)
        {
            // Beside the labels of lines that are so near that they would cover it.
            x -= LabelWidth * Lines.TakeWhile(other => other != line).Count(
                other => other.Points[0].Y == other.Points[^1].Y && Math.Abs(AtY(other.Points[0].Y) - y) < LabelHeight);
        }

        // A rising line is labelled along it, a level one above its right end.
        double angle = level ? 0 : Math.Atan2(inside[^1].Y - inside[0].Y, inside[^1].X - inside[0].X) * 180 / Math.PI;
        html.Append(CultureInfo.InvariantCulture, $"<text class=\"label\" transform=\"translate({x + (level ? -4 : 10):F1} {y - (level ? 6 : 15):F1}) rotate({angle:F1})\" text-anchor=\"{(level ? "end" : "start")}\">")
            .Append(WebUtility.HtmlEncode(line.Label)).Append("</text>\n");
    }

    private double AtX(double value) => Left + (Math.Log(value / X.Low) / Math.Log(X.High / X.Low) * (Width - Right - Left));

    private double AtY(double value) => Height - Bottom - (Math.Log(value / Y.Low) / Math.Log(Y.High / Y.Low) * (Height - Bottom - Top));

    private static IEnumerable<double> Ticks((double Low, double High) range)
    {
        for (double tick = Math.Pow(10, Math.Ceiling(Math.Log10(range.Low))); tick <= range.High; tick *= 10)
        {
            yield return tick;
        }
    }

    private static string Plain(double value) => value.ToString(value >= 1000 ? "N0" : "0.###", CultureInfo.InvariantCulture);
}

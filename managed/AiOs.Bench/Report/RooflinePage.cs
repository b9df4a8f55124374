using System.Globalization;
using System.Net;
using System.Text;
using AiOs.Bench.Results;
using AiOs.Runtime;

namespace AiOs.Bench.Report;

/// <summary>A run as one self-contained HTML page: no file, font or script from anywhere else.</summary>
public static class RooflinePage
{
    private const int Colours = 8;

    private static readonly Lazy<string> Template = new(() => HtmlPage.Template(typeof(RooflinePage), "roofline.html"));

    /// <summary>The page.</summary>
    /// <param name="report">The run.</param>
    public static string Render(BenchReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        BenchMachine machine = report.Machine;
        string[] ops = [.. report.Results.Select(r => $"{r.Op} {r.DType}").Distinct()];
        string Style(BenchResult result) => "p" + (Array.IndexOf(ops, $"{result.Op} {result.DType}") % Colours).ToString(CultureInfo.InvariantCulture);
        StringBuilder charts = new();
        Roofline(charts, report, Style);
        Bandwidth(charts, report, Style);
        return Template.Value
            .Replace("{{title}}", WebUtility.HtmlEncode($"{machine.Processor}, {machine.Isa}, {machine.Threads} {Backends.Workers(machine.Backend)}{(machine.Warning is { } warning ? ", " + warning : "")}"), StringComparison.Ordinal)
            .Replace("{{summary}}", WebUtility.HtmlEncode(Summary(report)), StringComparison.Ordinal)
            .Replace("{{limits}}", Limits(report.Limits), StringComparison.Ordinal)
            .Replace("{{charts}}", charts.ToString(), StringComparison.Ordinal)
            .Replace("{{tables}}", Tables(report, Style), StringComparison.Ordinal)
            .Replace("{{notes}}", Notes(report.Notes), StringComparison.Ordinal);
    }

    private static string Summary(BenchReport report)
    {
        BenchMachine machine = report.Machine;
        string peers = machine.Peers.Count == 0 ? "no other library was measured" : "peers: " + string.Join("; ", machine.Peers);
        return string.Create(CultureInfo.InvariantCulture, $"{machine.Taken:yyyy-MM-dd HH:mm zzz}, AiOs.Native {machine.Version}, {machine.System}; {peers}. {report.Conditions}").TrimEnd();
    }

    /// <summary>Attainable arithmetic over arithmetic intensity, for the cases whose operations are counted.</summary>
    private static void Roofline(StringBuilder html, BenchReport report, Func<BenchResult, string> style)
    {
        BenchResult[] points = [.. report.Results.Where(r => r is { Gflops: > 0, Bytes: > 0 })];
        MeasuredLimit[] peaks = [.. report.Limits.Where(l => l.Unit != "B/s")];
        if (points.Length == 0 || peaks.Length == 0)
        {
            return;
        }

        (double Low, double High) x = LogPlot.Cover(points.Select(r => r.Operations / r.Bytes), 0.4, 400);
        double top = peaks.Max(l => l.Rate) * 1e-9;
        List<PlotLine> lines = [];
        foreach (MeasuredLimit peak in peaks)
        {
            lines.Add(new PlotLine(Label(peak), "ceiling", [(x.Low, 1e-9 * peak.Rate), (x.High, 1e-9 * peak.Rate)]));
        }

        foreach (MeasuredLimit level in report.Limits.Where(l => l.Name.StartsWith("read_", StringComparison.Ordinal)))
        {
            double end = Math.Min(x.High, 1e9 * top / level.Rate);
            lines.Add(new PlotLine(Label(level), "slope", [(x.Low, 1e-9 * level.Rate * x.Low), (end, 1e-9 * level.Rate * end)]));
        }

        new LogPlot
        {
            Title = "Roofline: arithmetic against the least memory traffic",
            XLabel = "operations per byte of operands and results",
            YLabel = "10⁹ operations per second",
            X = x,
            Y = LogPlot.Cover([.. points.Select(r => r.Gflops!.Value), .. lines.SelectMany(l => l.Points.Select(p => p.Y))], 10, top),
            Lines = lines,
            Points = [.. points.Select(r => new PlotPoint(r.Operations / r.Bytes, r.Gflops!.Value, style(r), Tip(r)))],
        }.Write(html);
    }

    /// <summary>Speed over the size of what is touched, for the cases that are bound by memory.</summary>
    private static void Bandwidth(StringBuilder html, BenchReport report, Func<BenchResult, string> style)
    {
        BenchResult[] points = [.. report.Results.Where(r => r is { Gbps: > 0, Operations: 0 })];
        MeasuredLimit[] levels = [.. report.Limits.Where(l => l.Name.StartsWith("copy_", StringComparison.Ordinal))];
        if (points.Length == 0 || levels.Length == 0)
        {
            return;
        }

        (double Low, double High) x = LogPlot.Cover(points.Select(r => r.Bytes), 1e4, 1e9);
        new LogPlot
        {
            Title = "Memory-bound ops: bytes that must be read and written, over time",
            XLabel = "bytes touched by one launch",
            YLabel = "10⁹ bytes per second",
            X = x,
            Y = LogPlot.Cover([.. points.Select(r => r.Gbps!.Value), .. levels.Select(l => 1e-9 * l.Rate)], 5, 100),
            Lines = [.. levels.Select(l => new PlotLine(Label(l), "ceiling", [(x.Low, 1e-9 * l.Rate), (x.High, 1e-9 * l.Rate)]))],
            Points = [.. points.Select(r => new PlotPoint(r.Bytes, r.Gbps!.Value, style(r), Tip(r)))],
            XTick = Bytes,
        }.Write(html);
    }

    private static string Limits(IReadOnlyList<MeasuredLimit> limits)
    {
        StringBuilder html = new();
        foreach (MeasuredLimit limit in limits)
        {
            html.Append("<div><dt>").Append(WebUtility.HtmlEncode(limit.Name)).Append("</dt><dd>").Append(Number(1e-9 * limit.Rate, "N0"))
                .Append("<small>G").Append(limit.Unit).Append("</small></dd></div>\n");
        }

        return html.ToString();
    }

    private static string Tables(BenchReport report, Func<BenchResult, string> style)
    {
        StringBuilder html = new();
        foreach (IGrouping<(string Op, string DType), BenchResult> group in report.Results.GroupBy(r => (r.Op, r.DType)))
        {
            html.Append("<section><h2><i class=\"key ").Append(style(group.First())).Append("\"></i>").Append(WebUtility.HtmlEncode($"{group.Key.Op} {group.Key.DType}"))
                .Append("</h2><div class=\"scroll\"><table><thead><tr><th>shape</th><th>from</th><th>µs</th><th>10–90 %</th><th>GFLOP/s</th><th>GB/s</th>"
                    + "<th class=\"share\">share of the limit</th><th>peers, µs</th><th>ratio</th></tr></thead><tbody>\n");
            foreach (BenchResult result in group)
            {
                Row(html, result);
            }

            html.Append("</tbody></table></div></section>\n");
        }

        return html.ToString();
    }

    private static void Row(StringBuilder html, BenchResult result)
    {
        html.Append("<tr><td>").Append(WebUtility.HtmlEncode(result.Shape)).Append("</td>");
        if (result.MedianUs is not { } median)
        {
            html.Append("<td colspan=\"8\" class=\"wrong\">wrong: ").Append(WebUtility.HtmlEncode(result.Problem)).Append("</td></tr>\n");
            return;
        }

        html.Append("<td>").Append(result.Level).Append("</td><td>").Append(Time(median)).Append("</td><td>")
            .Append(Time(result.P10Us!.Value)).Append('–').Append(Time(result.P90Us!.Value)).Append("</td><td>")
            .Append(Number(result.Gflops, "N1")).Append("</td><td>").Append(Number(result.Gbps, "N1")).Append("</td><td class=\"share\">");
        if (result.LimitShare is { } share)
        {
            html.Append(CultureInfo.InvariantCulture, $"<span class=\"bar\"><b style=\"width:{100 * Math.Clamp(share, 0, 1):F1}%\"></b></span><span class=\"percent\">{(result.IsNoisy ? "~" : "")}{100 * share:F0} %</span>");
        }

        html.Append("</td><td>").Append(WebUtility.HtmlEncode(string.Join(", ", result.Peers.Select(p => $"{p.Key} {Time(p.Value)}"))))
            .Append("</td><td>").Append(Number(result.RatioToBestPeer, "F2")).Append("</td></tr>\n");
    }

    private static string Notes(IReadOnlyList<string> notes) => notes.Count == 0
        ? string.Empty
        : "<section><h2>Notes</h2><ul>" + string.Concat(notes.Select(note => $"<li>{WebUtility.HtmlEncode(note)}</li>\n")) + "</ul></section>";

    private static string Tip(BenchResult result)
    {
        string limit = result.LimitShare is { } share ? string.Create(CultureInfo.InvariantCulture, $", {100 * share:F0} % of {result.Limit}") : string.Empty;
        string ratio = result.RatioToBestPeer is { } r ? string.Create(CultureInfo.InvariantCulture, $", {r:F2} of {result.Peers.MinBy(p => p.Value).Key}") : string.Empty;
        string rate = result.Gflops is { } flops ? Number(flops, "N0") + " GFLOP/s" : Number(result.Gbps, "N0") + " GB/s";
        return $"{result.Op} {result.DType} {result.Shape}: {Time(result.MedianUs!.Value)} µs, {rate}{limit}{ratio}";
    }

    private static string Label(MeasuredLimit limit) => $"{limit.Name} {Number(1e-9 * limit.Rate, "N0")} G{limit.Unit}";

    private static string Bytes(double value) => value switch
    {
        >= 1e9 => Number(value / 1e9, "0.#") + " GB",
        >= 1e6 => Number(value / 1e6, "0.#") + " MB",
        >= 1e3 => Number(value / 1e3, "0.#") + " kB",
        _ => Number(value, "0.#") + " B",
    };

    private static string Time(double us) => Number(us, us < 10 ? "F3" : us < 1000 ? "F1" : "N0");

    private static string Number(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? string.Empty;
}

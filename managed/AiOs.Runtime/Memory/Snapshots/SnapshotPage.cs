using System.Globalization;
using System.Net;
using System.Text;

namespace AiOs.Runtime;

/// <summary>A snapshot as one self-contained HTML page: no file, font or script from anywhere else.</summary>
internal static class SnapshotPage
{
    private const int Colours = 8;
    private const int MaximumHolders = 40;
    private const int MaximumSegments = 24;

    private static readonly Lazy<string> Template = new(() => HtmlPage.Template(typeof(SnapshotPage), "snapshot.html"));

    /// <summary>The page.</summary>
    public static string Render(MemorySnapshot snapshot)
    {
        MemoryTimeline timeline = MemoryTimeline.Of(snapshot);
        MemoryHolder[] holders = [.. timeline.Holders()];
        string[] sites = [.. timeline.Lifetimes.GroupBy(block => block.Site).OrderByDescending(group => group.Sum(block => block.Bytes)).Select(group => group.Key)];
        Dictionary<string, int> colours = sites.Select((site, i) => (site, i)).ToDictionary(pair => pair.site, pair => pair.i % Colours);
        var chart = new StringBuilder();
        new TimelineChart(snapshot, timeline, site => colours[site]).Write(chart);
        return Template.Value
            .Replace("{{title}}", WebUtility.HtmlEncode("Memory of " + snapshot.Device), StringComparison.Ordinal)
            .Replace("{{summary}}", WebUtility.HtmlEncode(Summary(snapshot)), StringComparison.Ordinal)
            .Replace("{{figures}}", Figures(snapshot), StringComparison.Ordinal)
            .Replace("{{chart}}", chart.ToString(), StringComparison.Ordinal)
            .Replace("{{holders}}", Holders(holders, colours), StringComparison.Ordinal)
            .Replace("{{segments}}", Segments(snapshot, colours), StringComparison.Ordinal);
    }

    /// <summary>Bytes in the largest binary unit that leaves at least one.</summary>
    public static string Bytes(double bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
        int unit = 0;
        for (; Math.Abs(bytes) >= 1024 && unit < units.Length - 1; unit++)
        {
            bytes /= 1024;
        }

        return bytes.ToString(unit == 0 || bytes >= 100 ? "0" : "0.#", CultureInfo.InvariantCulture) + " " + units[unit];
    }

    private static string Summary(MemorySnapshot snapshot)
    {
        string history = snapshot.History.Length == 0
            ? "no history was recorded"
            : string.Create(CultureInfo.InvariantCulture, $"the last {snapshot.History.Length:N0} events")
                + (snapshot.ForgottenEvents > 0 ? string.Create(CultureInfo.InvariantCulture, $" ({snapshot.ForgottenEvents:N0} before them were not kept)") : "");
        return string.Create(CultureInfo.InvariantCulture, $"{snapshot.Taken:yyyy-MM-dd HH:mm:ss zzz}, {history}");
    }

    private static string Figures(MemorySnapshot snapshot)
    {
        var html = new StringBuilder();
        long reserved = snapshot.ReservedBytes, requested = snapshot.RequestedBytes;
        Figure("allocated", Bytes(requested), Count(snapshot.Blocks.Count(block => block.State == MemoryBlockState.Allocated), "block"));
        Figure("reserved", Bytes(reserved), Count(snapshot.Segments.Length, "segment"));
        Figure("unused", reserved == 0 ? "0 %" : string.Create(CultureInfo.InvariantCulture, $"{100.0 * (reserved - requested) / reserved:0.#} %"), "of what is reserved");
        Figure("peak allocated", Bytes(snapshot.Statistics.PeakAllocatedBytes), "since the start");
        Figure("peak reserved", Bytes(snapshot.Statistics.PeakReservedBytes), "since the start");
        return html.ToString();

        void Figure(string name, string value, string note) =>
            html.Append(CultureInfo.InvariantCulture, $"<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>\n");
    }

    private static string Count(int count, string name) =>
        string.Create(CultureInfo.InvariantCulture, $"{count:N0} {name}{(count == 1 ? "" : "s")}");

    private static string Holders(MemoryHolder[] holders, Dictionary<string, int> colours)
    {
        var html = new StringBuilder();
        foreach (MemoryHolder holder in holders.Take(MaximumHolders))
        {
            html.Append(CultureInfo.InvariantCulture, $"<tr><td><i class=\"key p{colours[holder.Site]}\"></i>{WebUtility.HtmlEncode(holder.Site)}</td><td>{holder.Blocks:N0}</td><td>{Bytes(holder.Bytes)}</td><td>{holder.BlocksAtPeak:N0}</td><td>{Bytes(holder.BytesAtPeak)}</td></tr>\n");
        }

        if (holders.Length > MaximumHolders)
        {
            MemoryHolder[] rest = holders[MaximumHolders..];
            html.Append(CultureInfo.InvariantCulture, $"<tr><td>{rest.Length:N0} more</td><td>{rest.Sum(h => h.Blocks):N0}</td><td>{Bytes(rest.Sum(h => h.Bytes))}</td><td>{rest.Sum(h => h.BlocksAtPeak):N0}</td><td>{Bytes(rest.Sum(h => h.BytesAtPeak))}</td></tr>\n");
        }

        return html.ToString();
    }

    /// <summary>The largest segments, each as a bar with its blocks where they lie.</summary>
    private static string Segments(MemorySnapshot snapshot, Dictionary<string, int> colours)
    {
        var html = new StringBuilder();
        MemorySegment[] largest = [.. snapshot.Segments.OrderByDescending(segment => segment.Bytes).Take(MaximumSegments).OrderBy(segment => segment.Address)];
        double scale = largest.Length == 0 ? 1 : 1000.0 / largest.Max(segment => segment.Bytes);
        foreach (MemorySegment segment in largest)
        {
            html.Append(CultureInfo.InvariantCulture, $"<div class=\"segment\"><span>0x{segment.Address:x}, {Bytes(segment.Bytes)}</span><svg viewBox=\"0 0 1000 22\" preserveAspectRatio=\"none\"><rect class=\"free\" width=\"{segment.Bytes * scale:F2}\" height=\"22\"/>");
            foreach (MemoryBlock block in segment.Blocks.Where(block => block.State != MemoryBlockState.Free))
            {
                string site = block.Stack?.Site ?? "unknown";
                string style = block.State == MemoryBlockState.PendingFree ? "pending" : string.Create(CultureInfo.InvariantCulture, $"p{colours.GetValueOrDefault(site)}");
                string state = block.State == MemoryBlockState.PendingFree ? "freed, still in use by another stream, " : "";
                string tip = WebUtility.HtmlEncode(string.Create(CultureInfo.InvariantCulture, $"{Bytes(block.Bytes)} at 0x{block.Address:x}, {state}{site}, stream {block.Stream}"));
                html.Append(CultureInfo.InvariantCulture, $"<rect class=\"{style}\" data-tip=\"{tip}\" x=\"{(block.Address - segment.Address) * scale:F2}\" width=\"{Math.Max(0.6, block.Bytes * scale):F2}\" height=\"22\"/>");
            }

            html.Append("</svg></div>\n");
        }

        if (snapshot.Segments.Length > largest.Length)
        {
            html.Append(CultureInfo.InvariantCulture, $"<p>{snapshot.Segments.Length - largest.Length:N0} smaller segments are not shown.</p>\n");
        }

        return html.ToString();
    }
}

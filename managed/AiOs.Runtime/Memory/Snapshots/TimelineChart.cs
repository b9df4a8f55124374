using System.Globalization;
using System.Net;
using System.Text;

namespace AiOs.Runtime;

/// <summary>Memory over time as inline SVG: the largest blocks stacked on each other, all that is allocated, and what is reserved.</summary>
internal sealed class TimelineChart
{
    private const int Width = 1000, Height = 420, Left = 76, Right = 16, Top = 14, Bottom = 44;
    private const int MaximumBands = 160;

    private readonly MemoryTimeline _timeline;
    private readonly double[] _times;
    private readonly double _top;
    private readonly Func<string, int> _colour;

    /// <summary>Prepares the chart.</summary>
    /// <param name="snapshot">What it shows.</param>
    /// <param name="timeline">The lifetimes.</param>
    /// <param name="colour">The colour of a call site.</param>
    public TimelineChart(MemorySnapshot snapshot, MemoryTimeline timeline, Func<string, int> colour)
    {
        _timeline = timeline;
        _colour = colour;
        _times = Times(snapshot);
        _top = Math.Max(1, Math.Max(timeline.Allocated.Max(), timeline.Reserved.Max())) * 1.05;
    }

    /// <summary>Appends the chart as a <c>figure</c>.</summary>
    public void Write(StringBuilder html)
    {
        html.Append("<figure class=\"chart\"><figcaption><b>Memory over time</b><span class=\"legend\"><i class=\"small\"></i>allocated<i class=\"reserved\"></i>reserved</span></figcaption>\n")
            .Append(CultureInfo.InvariantCulture, $"<div class=\"scroll\" tabindex=\"0\"><svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-label=\"Memory over time\">\n");
        Axes(html);
        html.Append("<polygon class=\"small\" data-tip=\"smaller blocks\" points=\"").Append(Curve(_timeline.Allocated))
            .Append(CultureInfo.InvariantCulture, $" {X(_times.Length - 1):F1},{Y(0):F1} {X(0):F1},{Y(0):F1}\"/>\n");
        Bands(html);
        html.Append("<polyline class=\"reserved\" points=\"").Append(Curve(_timeline.Reserved)).Append("\"/>\n</svg></div></figure>\n");
    }

    /// <summary>Milliseconds from the first event to each state; the snapshot's own is the last.</summary>
    private static double[] Times(MemorySnapshot snapshot)
    {
        if (snapshot.History.Length == 0)
        {
            return [0, 1]; // One state, drawn as a level.
        }

        long start = snapshot.History[0].Time;
        double[] times = [0, .. snapshot.History.Select(step => (step.Time - start) / 1000.0)];
        return [.. times, Math.Max(times[^1] * 1.01, 1e-3)];
    }

    private void Axes(StringBuilder html)
    {
        foreach (double tick in Ticks(_times[^1], 8, 10))
        {
            double x = Left + (tick / _times[^1] * (Width - Left - Right));
            html.Append(CultureInfo.InvariantCulture, $"<text class=\"tick\" x=\"{x:F1}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">{tick:0.###}</text>\n");
        }

        foreach (double tick in Ticks(_top, 6, 1024))
        {
            double y = Y(tick);
            html.Append(CultureInfo.InvariantCulture, $"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{y:F1}\" y2=\"{y:F1}\"/><text class=\"tick\" x=\"{Left - 8}\" y=\"{y + 4:F1}\" text-anchor=\"end\">{SnapshotPage.Bytes(tick)}</text>\n");
        }

        html.Append(CultureInfo.InvariantCulture, $"<text class=\"axis\" x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 6}\" text-anchor=\"middle\">milliseconds since the first event</text>\n");
    }

    private void Bands(StringBuilder html)
    {
        Lifetime[] largest = [.. _timeline.Lifetimes.Where(block => block.Bytes > 0)
            .OrderByDescending(block => block.Bytes).ThenByDescending(block => block.To - block.From).Take(MaximumBands)];
        List<(int State, long Offset)>[] edges = BandStack.Edges(largest);
        for (int i = 0; i < largest.Length; i++)
        {
            Lifetime block = largest[i];
            string life = string.Create(CultureInfo.InvariantCulture, $"{Time(block.From):0.###} to {(block.To >= _timeline.Allocated.Length ? "the end" : Time(block.To).ToString("0.### ms", CultureInfo.InvariantCulture))}");
            string tip = WebUtility.HtmlEncode($"{SnapshotPage.Bytes(block.Bytes)}, {block.Site}, stream {block.Stream}, {life}");
            html.Append(CultureInfo.InvariantCulture, $"<polygon class=\"p{_colour(block.Site)}\" data-tip=\"{tip}\" points=\"").Append(Outline(block, edges[i])).Append("\"/>\n");
        }
    }

    private string Outline(Lifetime block, List<(int State, long Offset)> edge)
    {
        var lower = new List<(double X, double Y)>();
        for (int i = 0; i < edge.Count; i++)
        {
            double end = X(i + 1 < edge.Count ? edge[i + 1].State : block.To);
            lower.Add((X(edge[i].State), edge[i].Offset));
            lower.Add((end, edge[i].Offset));
        }

        IEnumerable<(double X, double Y)> upper = Enumerable.Reverse(lower).Select(point => (point.X, point.Y + block.Bytes));
        return string.Join(' ', lower.Concat(upper).Select(point => string.Create(CultureInfo.InvariantCulture, $"{point.X:F1},{Y(point.Y):F1}")));
    }

    /// <summary>A curve of steps; of what falls into one column of pixels only the ends and extremes are drawn.</summary>
    private string Curve(long[] levels)
    {
        var points = new StringBuilder();
        for (int i = 0; i < levels.Length;)
        {
            double x = Math.Round(X(i), 1);
            (long first, long low, long high) = (levels[i], levels[i], levels[i]);
            int next = i;
            for (; next < levels.Length && Math.Abs(X(next) - x) < 0.5; next++)
            {
                low = Math.Min(low, levels[next]);
                high = Math.Max(high, levels[next]);
            }

            foreach (long level in new[] { first, low, high, levels[next - 1] }.Where((level, at) => at is 0 or 3 || low != high))
            {
                points.Append(CultureInfo.InvariantCulture, $"{x:F1},{Y(level):F1} ");
            }

            points.Append(CultureInfo.InvariantCulture, $"{X(next):F1},{Y(levels[next - 1]):F1} ");
            i = next;
        }

        return points.ToString().TrimEnd();
    }

    private double Time(int state) => _times[Math.Min(state, _times.Length - 1)];

    private double X(int state) => Left + (Time(state) / _times[^1] * (Width - Left - Right));

    private double Y(double bytes) => Height - Bottom - (bytes / _top * (Height - Bottom - Top));

    /// <summary>Round numbers from 0 up to a limit: 1, 2 or 5 times a power of ten, or a power of two for bytes.</summary>
    private static IEnumerable<double> Ticks(double limit, int most, int radix)
    {
        double step = radix == 1024 ? Math.Pow(2, Math.Ceiling(Math.Log2(limit / most))) : Round(limit / most);
        for (double tick = 0; tick <= limit; tick += step)
        {
            yield return tick;
        }

        static double Round(double value)
        {
            double power = Math.Pow(10, Math.Floor(Math.Log10(value)));
            return power * ((value / power) switch { <= 1 => 1, <= 2 => 2, <= 5 => 5, _ => 10 });
        }
    }
}

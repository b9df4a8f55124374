using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace AiOs.Runtime.Tests;

public sealed partial class SnapshotTests
{
    [Fact]
    public void Levels_follow_from_the_events_and_end_at_the_snapshot()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            MemorySnapshot whole = MadeUpSnapshot.Random(seed, 400, int.MaxValue);
            MemoryTimeline timeline = MemoryTimeline.Of(whole);
            long allocated = 0, reserved = 0;
            for (int i = 0; i <= whole.History.Length; i++)
            {
                Assert.Equal((allocated, reserved), (timeline.Allocated[i], timeline.Reserved[i]));
                if (i < whole.History.Length)
                {
                    MemoryEvent next = whole.History[i];
                    allocated += next.Action switch { MemoryAction.Allocate => next.RequestedBytes, MemoryAction.Free => -next.RequestedBytes, _ => 0 };
                    reserved += next.Action switch { MemoryAction.Map => next.Bytes, MemoryAction.Unmap => -next.Bytes, _ => 0 };
                }
            }

            Assert.Equal((whole.RequestedBytes, whole.ReservedBytes), (timeline.Allocated[^1], timeline.Reserved[^1]));

            // With the beginning forgotten the rest is the same.
            MemoryTimeline part = MemoryTimeline.Of(MadeUpSnapshot.Random(seed, 400, 150));
            Assert.Equal(timeline.Allocated[^151..], part.Allocated);
            Assert.Equal(timeline.Reserved[^151..], part.Reserved);
        }
    }

    [Fact]
    public void Holders_account_for_every_byte_now_and_at_the_peak()
    {
        MemorySnapshot snapshot = MadeUpSnapshot.Random(3, 500, 300);
        MemoryTimeline timeline = MemoryTimeline.Of(snapshot);
        MemoryHolder[] holders = [.. snapshot.Holders()];
        Assert.Equal(snapshot.RequestedBytes, holders.Sum(holder => holder.Bytes));
        Assert.Equal(timeline.Allocated.Max(), holders.Sum(holder => holder.BytesAtPeak));
        Assert.Equal(snapshot.Blocks.Count(block => block.State == MemoryBlockState.Allocated), holders.Sum(holder => holder.Blocks));
        Assert.Equal(holders.OrderByDescending(holder => holder.Bytes).Select(holder => holder.Bytes), holders.Select(holder => holder.Bytes));
        Assert.Contains(holders, holder => Site().IsMatch(holder.Site));
    }

    [Fact]
    public void Bands_lie_on_each_other_without_gap_or_overlap()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            Lifetime[] blocks = [.. MemoryTimeline.Of(MadeUpSnapshot.Random(seed, 300, 200)).Lifetimes];
            List<(int State, long Offset)>[] edges = BandStack.Edges(blocks);
            for (int state = 0; state <= 200; state++)
            {
                int[] there = [.. Enumerable.Range(0, blocks.Length).Where(i => blocks[i].From <= state && state < blocks[i].To)];
                long height = 0;
                foreach (int i in there.OrderBy(i => Offset(edges[i], state)).ThenBy(i => blocks[i].Bytes))
                {
                    Assert.Equal(height, Offset(edges[i], state));
                    height += blocks[i].Bytes;
                }
            }
        }

        static long Offset(List<(int State, long Offset)> edge, int state) => edge.Last(change => change.State <= state).Offset;
    }

    [Fact]
    public void The_page_needs_no_other_file_and_escapes_what_it_shows()
    {
        MemorySnapshot snapshot = MadeUpSnapshot.Random(5, 3000, 2500) with { Device = "<script>alert(1)</script>" };
        string page = SnapshotPage.Render(snapshot);
        Assert.StartsWith("<!doctype html>", page, StringComparison.Ordinal);
        Assert.DoesNotContain("{{", page, StringComparison.Ordinal);
        Assert.DoesNotContain("http", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<script>alert", page, StringComparison.Ordinal);
        Assert.Contains("500 before them were not kept", page, StringComparison.Ordinal);
        XElement chart = XElement.Parse(page[page.IndexOf("<svg", StringComparison.Ordinal)..(page.IndexOf("</svg>", StringComparison.Ordinal) + 6)]);
        XElement[] bands = [.. chart.Elements("polygon").Skip(1)];
        Assert.Equal(160, bands.Length);
        Assert.All(bands, band => Assert.Matches(@"^\d+(\.\d+)? (B|KiB|MiB), Ops\.(Linear|Gelu) in Model\.Layer\d+ \(Model\.cs:\d+\), stream [0-2], |^\d+(\.\d+)? (B|KiB|MiB), unknown", band.Attribute("data-tip")!.Value));
        Assert.All(chart.Elements("polygon").SelectMany(polygon => polygon.Attribute("points")!.Value.Split(' ')), point =>
        {
            double[] place = [.. point.Split(',').Select(number => double.Parse(number, CultureInfo.InvariantCulture))];
            Assert.InRange(place[0], 0, 1000);
            Assert.InRange(place[1], 0, 420);
        });
    }

    [Fact]
    public void A_snapshot_without_history_or_memory_has_a_page_too()
    {
        MemorySnapshot empty = MadeUpSnapshot.Random(1, 100, 0) with { Segments = [] };
        Assert.Contains("no history was recorded", SnapshotPage.Render(empty), StringComparison.Ordinal);
        Assert.Empty(empty.Holders());
        Assert.Contains("MiB", SnapshotPage.Render(MadeUpSnapshot.Random(1, 100, 0)), StringComparison.Ordinal);
    }

    [Fact]
    public void Equal_stacks_are_one_object_and_name_the_call_site()
    {
        CallStack[] stacks = [.. Enumerable.Range(0, 3).Select(_ => Here())];
        Assert.Same(stacks[0], stacks[1]);
        Assert.Same(stacks[0], stacks[2]);
        Assert.NotSame(stacks[0], Here());
        Assert.Equal("AiOs.Runtime.Tests", stacks[0].Frames[0].Assembly);
        Assert.Equal(nameof(Here), stacks[0].Frames[0].Method);
        Assert.Matches(@"^SnapshotTests\.Here \(SnapshotTests\.cs:\d+\)$", stacks[0].Site);

        CallStack lambda = new Func<CallStack>(() => CallStack.Capture(0))();
        Assert.StartsWith($"SnapshotTests.{nameof(Equal_stacks_are_one_object_and_name_the_call_site)} (", lambda.Site, StringComparison.Ordinal);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static CallStack Here() => CallStack.Capture(0);

    [GeneratedRegex(@"^Ops\.(Linear|Gelu) in Model\.Layer\d+ \(Model\.cs:1\d\d\)$")]
    private static partial Regex Site();
}

using System.Collections.Immutable;

namespace AiOs.Runtime.Tests;

/// <summary>
/// Snapshots made of random events on a model of memory: pages that are mapped and unmapped, blocks inside them. What the
/// model says is what the snapshot is compared with.
/// </summary>
internal static class MadeUpSnapshot
{
    private const long Page = 1 << 20;
    private static readonly nint Base = unchecked((nint)0x7f00_0000_0000);

    private static readonly CallStack[] Sites =
    [
        .. Enumerable.Range(0, 12).Select(i => new CallStack(
            new CallFrame("AiOs.Tensors.Ops", i % 2 == 0 ? "Linear" : "Gelu", "AiOs.Tensors", "/src/Ops.cs", 10 + i),
            new CallFrame("Demo.Model", $"Layer{i}", "Demo", "/src/Model.cs", 100 + i))),
    ];

    /// <summary>A snapshot after some events, of which the last <paramref name="kept"/> are its history.</summary>
    public static MemorySnapshot Random(int seed, int events, int kept)
    {
        var random = new Random(seed);
        var mapped = new SortedSet<long>();
        var live = new SortedDictionary<long, MemoryEvent>();
        var history = new List<MemoryEvent>();
        long time = 1_700_000_000_000_000;
        while (history.Count < events)
        {
            time += random.Next(1, 2000);
            long page = random.Next(0, 24);
            if (mapped.Add(page))
            {
                history.Add(new MemoryEvent(MemoryAction.Map, Base + (nint)(page * Page), Page, 0, 0, time, null));
                continue;
            }

            KeyValuePair<long, MemoryEvent>[] inside = [.. live.Where(block => block.Key / Page == page)];
            if (inside.Length == 0 && random.Next(4) == 0)
            {
                mapped.Remove(page);
                history.Add(new MemoryEvent(MemoryAction.Unmap, Base + (nint)(page * Page), Page, 0, 0, time, null));
            }
            else if (inside.Length > 0 && random.Next(2) == 0)
            {
                (long offset, MemoryEvent block) = inside[random.Next(inside.Length)];
                live.Remove(offset);
                history.Add(block with { Action = MemoryAction.Free, Time = time });
            }
            else
            {
                long start = inside.Length == 0 ? page * Page : inside[^1].Key + inside[^1].Value.Bytes;
                long bytes = Math.Min(512L * random.Next(1, 900), ((page + 1) * Page) - start);
                if (bytes > 0)
                {
                    var block = new MemoryEvent(
                        MemoryAction.Allocate, Base + (nint)start, bytes, bytes - random.Next(0, 200), random.Next(3), time, Sites[random.Next(Sites.Length)]);
                    live.Add(start, block);
                    history.Add(block);
                }
            }
        }

        return new MemorySnapshot
        {
            Device = "cpu, made up",
            Taken = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
            Statistics = new AllocatorStatistics { PeakAllocatedBytes = 18 << 20, PeakReservedBytes = 24 << 20 },
            Segments = Segments(mapped, live),
            History = [.. history.TakeLast(kept)],
            ForgottenEvents = Math.Max(0, history.Count - kept),
        };
    }

    private static ImmutableArray<MemorySegment> Segments(SortedSet<long> mapped, SortedDictionary<long, MemoryEvent> live)
    {
        var segments = new List<MemorySegment>();
        foreach (long page in mapped)
        {
            var blocks = new List<MemoryBlock>();
            long end = page * Page;
            foreach ((long offset, MemoryEvent block) in live.Where(block => block.Key / Page == page))
            {
                Free(offset);
                blocks.Add(new MemoryBlock(block.Address, block.Bytes, block.RequestedBytes, MemoryBlockState.Allocated, block.Stream, block.Stack));
                end = offset + block.Bytes;
            }

            Free((page + 1) * Page);
            bool follows = segments.Count > 0 && segments[^1].Address + (nint)segments[^1].Bytes == Base + (nint)(page * Page);
            if (follows)
            {
                segments[^1] = new MemorySegment(segments[^1].Address, segments[^1].Bytes + Page, [.. segments[^1].Blocks, .. blocks]);
            }
            else
            {
                segments.Add(new MemorySegment(Base + (nint)(page * Page), Page, [.. blocks]));
            }

            void Free(long until)
            {
                if (until > end)
                {
                    blocks.Add(new MemoryBlock(Base + (nint)end, until - end, 0, MemoryBlockState.Free, 0, null));
                }
            }
        }

        return [.. segments];
    }
}

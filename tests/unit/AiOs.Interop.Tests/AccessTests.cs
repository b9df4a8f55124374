namespace AiOs.Interop.Tests;

/// <summary>Runs of bytes against sets of bytes that are counted out one by one.</summary>
public class AccessTests
{
    [Fact]
    public void Ranges_overlap_and_cover_as_their_bytes_do()
    {
        var random = new Random(1);
        int overlapping = 0, covering = 0;
        for (int i = 0; i < 200_000; i++)
        {
            StridedRange a = Any(random), b = Any(random);
            HashSet<long> mine = Bytes(a), others = Bytes(b);
            bool overlaps = mine.Overlaps(others);
            Assert.True(overlaps == a.Overlaps(b, out long start, out long end), $"{a} and {b}");
            overlapping += overlaps ? 1 : 0;
            for (long at = start; overlaps && at < end; at++)
            {
                Assert.True(mine.Contains(at) && others.Contains(at), $"{a} and {b} at {at}");
            }

            if (overlaps && b.Count == 1)
            {
                HashSet<long> clipped = Bytes(a.Clip(b.Start, b.End));
                Assert.True(clipped.IsSubsetOf(mine) && clipped.IsSupersetOf(mine.Where(others.Contains)), $"{a} inside {b}");
                Assert.True(a.Count > 1 || clipped.IsSubsetOf(others), $"{a} inside {b}");
            }

            // Covers may say no where it is hard to tell, but never yes when it is not so.
            bool covers = a.Covers(b);
            Assert.True(!covers || mine.IsSupersetOf(others), $"{a} over {b}");
            covering += covers ? 1 : 0;
        }

        Assert.InRange(overlapping, 20_000, 180_000);
        Assert.InRange(covering, 2_000, 100_000);
    }

    [Fact]
    public void A_range_covers_itself_and_its_runs()
    {
        var range = new StridedRange(100, 3, 10, 4);
        Assert.True(range.Covers(range));
        Assert.True(range.Covers(new StridedRange(111, 2)));
        Assert.True(range.Covers(new StridedRange(110, 3, 10, 2)));
        Assert.False(range.Covers(new StridedRange(110, 3, 10, 4)));
        Assert.True(new StridedRange(100, 40).Covers(range));
    }

    [Fact]
    public unsafe void Dimensions_of_any_strides_become_the_bytes_of_their_elements()
    {
        var random = new Random(2);
        for (int i = 0; i < 20_000; i++)
        {
            int rank = random.Next(5), size = random.Next(1, 5);
            long[] extents = new long[rank], strides = new long[rank];
            for (int d = 0; d < rank; d++)
            {
                (extents[d], strides[d]) = (random.Next(i % 10 == 0 ? 0 : 1, 4), random.Next(-9, 10));
            }

            var expected = new HashSet<long>();
            Walk(0, 100_000);
            AccessList list = AccessList.Begin("test");
            list.Writes("x", (void*)100_000, size, rank, extents, strides);
            RangeAccess[] accesses = list.Accesses.ToArray();
            var got = new HashSet<long>(accesses.SelectMany(access => Bytes(access.Range)));
            Assert.True(expected.SetEquals(got), $"[{string.Join(", ", extents)}] by [{string.Join(", ", strides)}] of {size}: {string.Join(", ", accesses)}");
            Assert.All(accesses, access => Assert.True(access.IsWrite && access.Name == "x"));

            void Walk(int d, long at)
            {
                if (d == rank)
                {
                    expected.UnionWith(Enumerable.Range(0, size).Select(b => at + b));
                    return;
                }

                for (long j = 0; j < extents[d]; j++)
                {
                    Walk(d + 1, at + (j * strides[d] * size));
                }
            }
        }
    }

    [Fact]
    public unsafe void Dense_dimensions_follow_what_is_inside_them()
    {
        AccessList list = AccessList.Begin("test");
        list.Reads("a", (void*)1000, 4, [new(2), new(3, 10), new(5)]);
        Assert.Equal([new RangeAccess("a", new StridedRange(1000, 20, 40, 6), false)], list.Accesses.ToArray());
        list.Reads("b", null, 4, [new(2)]);
        list.Reads("c", (void*)1000, 0, [new(2)]);
        list.Reads("d", (void*)1000, 4, 9, new long[8], new long[8]);
        Assert.Equal(1, list.Accesses.Length);
        Assert.Equal("test", list.Operation);
        Assert.Equal(0, AccessList.Begin("next").Accesses.Length);
    }

    private static StridedRange Any(Random random)
    {
        int length = random.Next(1, 6);
        int count = random.Next(1, 6);
        return count == 1
            ? new StridedRange(random.Next(50), length + random.Next(30))
            : new StridedRange(random.Next(50), length, length + random.Next(1, 4), count);
    }

    private static HashSet<long> Bytes(StridedRange range)
    {
        var bytes = new HashSet<long>();
        for (long i = 0; i < range.Count; i++)
        {
            for (long b = 0; b < range.Length; b++)
            {
                bytes.Add(range.Start + (i * range.Pitch) + b);
            }
        }

        Assert.Equal(range.Bytes, bytes.Count);
        return bytes;
    }
}

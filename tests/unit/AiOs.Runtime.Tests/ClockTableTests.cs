namespace AiOs.Runtime.Tests;

public class ClockTableTests
{
    [Fact]
    public void Work_of_one_stream_is_ordered_with_itself_and_with_nothing_else()
    {
        var clocks = new ClockTable();
        int a = clocks.AddStream(), b = clocks.AddStream();
        long stamp = clocks.Pending(a);
        Assert.True(clocks.IsOrdered(a, a, stamp));
        Assert.False(clocks.IsOrdered(b, a, stamp));
        Assert.False(clocks.IsDone(a, stamp));
    }

    [Fact]
    public void Waiting_for_an_event_orders_what_came_before_the_recording_and_no_more()
    {
        var clocks = new ClockTable();
        int a = clocks.AddStream(), b = clocks.AddStream();
        var recorded = new VectorClock();
        long before = clocks.Pending(a);
        clocks.Record(a, recorded);
        long after = clocks.Pending(a);
        Assert.False(clocks.IsOrdered(b, a, before));
        clocks.Wait(b, recorded);
        Assert.True(clocks.IsOrdered(b, a, before));
        Assert.False(clocks.IsOrdered(b, a, after));
        Assert.False(clocks.IsOrdered(a, b, clocks.Pending(b)));
    }

    [Fact]
    public void Order_is_transitive_over_events()
    {
        var clocks = new ClockTable();
        int a = clocks.AddStream(), b = clocks.AddStream(), c = clocks.AddStream();
        VectorClock first = new(), second = new();
        long stamp = clocks.Pending(a);
        clocks.Record(a, first);
        clocks.Wait(b, first);
        clocks.Record(b, second);
        clocks.Wait(c, second);
        Assert.True(clocks.IsOrdered(c, a, stamp));
    }

    [Fact]
    public void What_the_host_has_seen_is_done_for_everybody()
    {
        var clocks = new ClockTable();
        int a = clocks.AddStream(), b = clocks.AddStream(), c = clocks.AddStream();
        VectorClock first = new(), second = new();
        long ofA = clocks.Pending(a), ofB = clocks.Pending(b);
        clocks.Record(a, first);
        clocks.Wait(b, first);
        clocks.Record(b, second);
        clocks.Observe(second);
        Assert.True(clocks.IsDone(a, ofA));
        Assert.True(clocks.IsDone(b, ofB));
        Assert.True(clocks.IsOrdered(c, a, ofA));
        Assert.False(clocks.IsDone(a, clocks.Pending(a)));
    }

    [Fact]
    public void An_event_that_is_recorded_again_stands_for_the_new_recording_only()
    {
        var clocks = new ClockTable();
        int a = clocks.AddStream(), b = clocks.AddStream(), c = clocks.AddStream();
        var recorded = new VectorClock();
        long ofA = clocks.Pending(a);
        clocks.Record(a, recorded);
        VectorClock copy = clocks.Copy(recorded);
        clocks.Record(b, recorded);
        clocks.Wait(c, recorded);
        Assert.False(clocks.IsOrdered(c, a, ofA));
        clocks.Observe(copy);
        Assert.True(clocks.IsOrdered(c, a, ofA));
    }

    [Fact]
    public void The_number_of_a_removed_stream_comes_again_with_later_epochs()
    {
        var clocks = new ClockTable();
        int a = clocks.AddStream(), b = clocks.AddStream();
        long old = clocks.Pending(a);
        clocks.RemoveStream(a);
        Assert.True(clocks.IsDone(a, old));
        Assert.Equal(a, clocks.AddStream());
        Assert.False(clocks.IsOrdered(b, a, clocks.Pending(a)));
    }

    /// <summary>Work that is stamped first and enqueued then must not be called done by somebody who waits in between.</summary>
    [Fact]
    public void What_is_about_to_be_enqueued_is_covered_by_the_users_next_release_only()
    {
        var clocks = new ClockTable();
        int a = clocks.AddStream(), b = clocks.AddStream();
        var recorded = new VectorClock();
        long enqueued = clocks.Pending(a), upcoming = clocks.Upcoming(a);
        clocks.RecordAside(a, recorded);
        clocks.Observe(recorded);
        Assert.True(clocks.IsDone(a, enqueued));
        Assert.False(clocks.IsDone(a, upcoming));
        long later = clocks.Pending(a);
        Assert.False(clocks.IsDone(a, later));
        clocks.RecordAside(a, recorded);
        clocks.Wait(b, recorded);
        Assert.True(clocks.IsOrdered(b, a, later));
        Assert.False(clocks.IsOrdered(b, a, upcoming));
        clocks.Record(a, recorded);
        clocks.Observe(recorded);
        Assert.True(clocks.IsDone(a, upcoming));
    }

    /// <summary>As of a server that only ever waits for the whole device.</summary>
    [Fact]
    public void Releases_of_others_never_run_out()
    {
        var clocks = new ClockTable();
        int a = clocks.AddStream();
        var recorded = new VectorClock();
        for (int i = 0; i < 5_000_000; i++)
        {
            long enqueued = clocks.Pending(a), upcoming = clocks.Upcoming(a);
            clocks.RecordAside(a, recorded);
            clocks.Observe(recorded);
            Assert.True(clocks.IsDone(a, enqueued) && !clocks.IsDone(a, upcoming), $"release {i}");
        }
    }

    /// <summary>Against a model that holds, for every piece of work, the set of all work that comes before it.</summary>
    [Fact]
    public void Random_programs_agree_with_the_set_of_all_predecessors()
    {
        const int Streams = 5, Events = 4;
        for (int seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            var clocks = new ClockTable();
            int[] streams = Enumerable.Range(0, Streams).Select(_ => clocks.AddStream()).ToArray();
            VectorClock[] events = Enumerable.Range(0, Events).Select(_ => new VectorClock()).ToArray();
            var past = streams.Select(_ => new HashSet<int>()).ToArray(); // all that comes before what a stream is given now
            var recorded = events.Select(_ => new HashSet<int>()).ToArray();
            var seen = new HashSet<int>();
            var work = new List<(int Stream, long Stamp)>();
            for (int step = 0; step < 60; step++)
            {
                int s = random.Next(Streams), e = random.Next(Events);
                switch (random.Next(5))
                {
                    case 0 or 1:
                        past[s].Add(work.Count);
                        work.Add((s, clocks.Pending(streams[s])));
                        break;
                    case 2:
                        clocks.Record(streams[s], events[e]);
                        recorded[e] = [.. past[s], .. seen];
                        break;
                    case 3:
                        clocks.Wait(streams[s], events[e]);
                        past[s].UnionWith(recorded[e]);
                        break;
                    default:
                        if (random.Next(4) == 0)
                        {
                            clocks.Observe(events[e]);
                            seen.UnionWith(recorded[e]);
                        }

                        break;
                }

                for (int w = 0; w < work.Count; w++)
                {
                    for (int t = 0; t < Streams; t++)
                    {
                        bool expected = past[t].Contains(w) || seen.Contains(w);
                        Assert.Equal(expected, clocks.IsOrdered(streams[t], work[w].Stream, work[w].Stamp));
                    }
                }
            }
        }
    }

    [Fact]
    public void Streams_and_events_keep_the_clocks()
    {
        using Device device = Device.Open();
        using Stream a = device.CreateStream(), b = device.CreateStream();
        using Event recorded = device.CreateEvent();
        long stamp = device.Clocks.Pending(a.Clock);
        a.Record(recorded);
        Assert.False(device.Clocks.IsOrdered(b.Clock, a.Clock, stamp));
        b.WaitFor(recorded);
        Assert.True(device.Clocks.IsOrdered(b.Clock, a.Clock, stamp));
        Assert.False(device.Clocks.IsDone(a.Clock, stamp));
        recorded.Synchronize();
        Assert.True(device.Clocks.IsDone(a.Clock, stamp));
        stamp = device.Clocks.Pending(b.Clock);
        b.Synchronize();
        Assert.True(device.Clocks.IsDone(b.Clock, stamp));
    }
}

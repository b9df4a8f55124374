using System.Collections;

namespace AiOs.Runtime.Tests;

/// <summary>
/// The detector against the definition: an access races when an earlier one of a common byte, one of the two a write, does not
/// reach it along streams, events and waits of the host.
/// </summary>
public sealed class RaceModelTests
{
    private const int Streams = 4, Events = 5, Bytes = 48, Steps = 500;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void A_race_is_reported_where_there_is_one_and_nowhere_else(int seed)
    {
        var random = new Random(seed);
        using Device device = Device.Open(options: new DeviceOptions { DetectRaces = true });
        device.Races!.Throws = false;
        Stream[] streams = [.. Enumerable.Range(0, Streams).Select(_ => device.CreateStream())];
        Event[] events = [.. Enumerable.Range(0, Events).Select(_ => device.CreateEvent())];
        DeviceMemory<byte> memory = device.Allocate<byte>(Bytes, streams[0]);
        var model = new Model();
        int races = 0, clean = 0;
        for (int step = 0; step < Steps; step++)
        {
            int s = random.Next(Streams), e = random.Next(Events), choice = random.Next(22);
            switch (choice)
            {
                case < 9:
                    int start = random.Next(Bytes - 1), length = random.Next(1, Math.Min(12, Bytes - start) + 1);
                    bool isWrite = random.Next(3) == 0;
                    int before = device.Races.Reports.Count;
                    DeviceSpan<byte> span = memory.Span.Slice(start, length);
                    streams[s].Declare("work", isWrite ? Access.Write(span) : Access.Read(span));
                    bool found = device.Races.Reports.Count > before;
                    Assert.True(model.Access(s, start, start + length, isWrite) == found, $"step {step}: reported {found}");
                    (races, clean) = found ? (races + 1, clean) : (races, clean + 1);
                    break;
                case < 13:
                    streams[s].Record(events[e]);
                    model.Record(s, e);
                    break;
                case < 19:
                    streams[s].WaitFor(events[e]);
                    model.Wait(s, e);
                    break;
                case 19:
                    streams[s].Dispose(); // Its work is done, and the next one may have its number.
                    streams[s] = device.CreateStream();
                    model.Renew(s);
                    break;
                case 20 when streams[s].IsIdle:
                    model.Synchronize(s);
                    break;
                case 21:
                    if (random.Next(2) == 0)
                    {
                        streams[s].Synchronize();
                        model.Synchronize(s);
                    }
                    else
                    {
                        events[e].Synchronize();
                        model.SynchronizeEvent(e);
                    }

                    break;
            }
        }

        Assert.True(races > 20 && clean > 20, $"{races} races, {clean} clean");
        device.Synchronize();
        memory.Dispose();
        Array.ForEach(events, recorded => recorded.Dispose());
        Array.ForEach(streams, stream => stream.Dispose());
    }

    /// <summary>For every point the set of accesses that come before it, in full.</summary>
    private sealed class Model
    {
        private readonly List<(int Start, int End, bool IsWrite)> _accesses = [];
        private readonly BitArray[] _streams = [.. Enumerable.Range(0, Streams).Select(_ => new BitArray(Steps))];
        private readonly BitArray[] _events = [.. Enumerable.Range(0, Events).Select(_ => new BitArray(Steps))];
        private readonly BitArray _host = new(Steps);

        /// <summary>Adds an access; true when it races with an earlier one.</summary>
        public bool Access(int stream, int start, int end, bool isWrite)
        {
            bool races = false;
            for (int i = 0; i < _accesses.Count; i++)
            {
                (int otherStart, int otherEnd, bool otherWrites) = _accesses[i];
                races |= (isWrite || otherWrites) && start < otherEnd && otherStart < end && !_streams[stream][i] && !_host[i];
            }

            _streams[stream][_accesses.Count] = true;
            _accesses.Add((start, end, isWrite));
            return races;
        }

        public void Renew(int stream)
        {
            Synchronize(stream);
            _streams[stream].SetAll(false);
        }

        // What the host has seen done comes before whatever is enqueued from then on, so it passes on with the stream.
        public void Record(int stream, int recorded) => _events[recorded] = new BitArray(_streams[stream]).Or(_host);

        public void Wait(int stream, int recorded) => _streams[stream].Or(_events[recorded]);

        public void Synchronize(int stream) => _host.Or(_streams[stream]);

        public void SynchronizeEvent(int recorded) => _host.Or(_events[recorded]);
    }
}

namespace AiOs.Runtime;

/// <summary>What a step does next: an allocation of some bytes, planned or not, or the free of a planned block.</summary>
/// <param name="Slot">The planned block; -1 for an allocation that is left to the pool.</param>
/// <param name="Bytes">Bytes asked for; -1 for a free.</param>
internal readonly record struct StepEvent(int Slot, long Bytes)
{
    public static StepEvent Freed(int slot) => new(slot, -1);
}

/// <summary>Writes down what a step allocates and frees.</summary>
internal sealed class StepRecorder
{
    private readonly Lock _gate = new();
    private readonly List<Lifetime> _lifetimes = [];
    private readonly Dictionary<Allocation, int> _live = [];
    private int _time;

    public void Allocated(Allocation block, long bytes)
    {
        lock (_gate)
        {
            _live.Add(block, _lifetimes.Count);
            _lifetimes.Add(new Lifetime(bytes, _time++, -1));
        }
    }

    public void Freed(Allocation block)
    {
        lock (_gate)
        {
            if (_live.Remove(block, out int index))
            {
                _lifetimes[index] = _lifetimes[index] with { End = _time++ };
            }
        }
    }

    /// <summary>Another stream uses the block: it is left to the pool, which can wait for that stream.</summary>
    public void Shared(Allocation block)
    {
        lock (_gate)
        {
            _live.Remove(block);
        }
    }

    /// <summary>The events of the step, in order, and the blocks to be placed: the largest that were freed within it.</summary>
    public (StepEvent[] Events, StepPacking.Item[] Items) Finish(int most)
    {
        lock (_gate)
        {
            HashSet<int> planned = [.. Enumerable.Range(0, _lifetimes.Count)
                .Where(index => _lifetimes[index].End >= 0)
                .OrderByDescending(index => _lifetimes[index].Bytes)
                .Take(most)];
            var items = new List<StepPacking.Item>(planned.Count);
            var events = new List<(int Time, StepEvent Event)>();
            for (int i = 0; i < _lifetimes.Count; i++)
            {
                Lifetime lifetime = _lifetimes[i];
                int slot = -1;
                if (planned.Contains(i))
                {
                    slot = items.Count;
                    items.Add(new StepPacking.Item(SizeClasses.RoundToUnit(lifetime.Bytes), lifetime.Bytes, lifetime.Start, lifetime.End));
                    events.Add((lifetime.End, StepEvent.Freed(slot)));
                }

                events.Add((lifetime.Start, new StepEvent(slot, lifetime.Bytes)));
            }

            return ([.. events.OrderBy(item => item.Time).Select(item => item.Event)], [.. items]);
        }
    }

    private readonly record struct Lifetime(long Bytes, int Start, int End);
}

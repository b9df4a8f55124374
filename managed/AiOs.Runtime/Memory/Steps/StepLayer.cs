using System.Runtime.CompilerServices;

namespace AiOs.Runtime;

/// <summary>
/// Sends what the stream of a running step allocates to the step's <see cref="StepPlan"/>. Handles of planned blocks have
/// negative indices, which say the plan and the slot.
/// </summary>
internal sealed class StepLayer(Allocator inner) : AllocatorLayer(inner)
{
    /// <summary>Slots of a plan.</summary>
    public const int MostSlots = 1 << SlotBits;

    private const int SlotBits = 13;

    private readonly Lock _gate = new();
    private volatile StepPlan?[] _plans = [];
    private volatile StepPlan?[] _running = [];
    private volatile int _recording;

    /// <summary>The index of a planned block.</summary>
    public static int IndexOf(int plan, int slot) => ~((plan << SlotBits) | slot);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override Allocation Allocate(long bytes, int stream)
    {
        StepPlan?[] running = _running;
        return stream < running.Length && running[stream] is { } plan ? plan.Allocate(bytes) : Inner.Allocate(bytes, stream);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Free(Allocation block)
    {
        if (block.Index < 0)
        {
            PlanOf(block).Free(block, SlotOf(block));
            return;
        }

        if (_recording > 0)
        {
            NoteRecorded(block, freed: true);
        }

        Inner.Free(block);
    }

    /// <inheritdoc/>
    public override void NoteUse(Allocation block, int stream)
    {
        if (block.Index < 0)
        {
            PlanOf(block).NoteUse(block, SlotOf(block), stream);
            return;
        }

        if (_recording > 0)
        {
            NoteRecorded(block, freed: false);
        }

        Inner.NoteUse(block, stream);
    }

    /// <inheritdoc/>
    public override void WaitForUses(Allocation block) =>
        Inner.WaitForUses(block.Index < 0 ? PlanOf(block).Arena : block);

    /// <inheritdoc/>
    public override RegionInfo Find(Allocation block) =>
        block.Index < 0 ? PlanOf(block).Find(block, SlotOf(block)) : Inner.Find(block);

    /// <summary>All regions; that of a plan as the blocks that it has given out and what lies between them.</summary>
    public override List<RegionInfo> Regions()
    {
        List<RegionInfo> regions = Inner.Regions();
        foreach (StepPlan? plan in _plans)
        {
            int index = plan is null ? -1 : regions.FindIndex(region => region.Address == plan.Arena.Address);
            if (index >= 0)
            {
                RegionInfo arena = regions[index];
                regions.RemoveAt(index);
                regions.InsertRange(index, plan!.Expand(arena));
            }
        }

        return regions;
    }

    /// <summary>Gives a plan its number.</summary>
    public int Add(StepPlan plan)
    {
        lock (_gate)
        {
            int free = Array.IndexOf(_plans, null);
            int number = free < 0 ? _plans.Length : free;
            _plans = With(_plans, number, plan);
            return number;
        }
    }

    /// <summary>Forgets a plan without blocks in use, unless that was done before.</summary>
    public void Remove(StepPlan plan)
    {
        lock (_gate)
        {
            int number = Array.IndexOf(_plans, plan);
            _plans = number < 0 ? _plans : With(_plans, number, null);
        }
    }

    /// <summary>A step of the plan begins on its stream.</summary>
    public void Begin(StepPlan plan, bool recording)
    {
        lock (_gate)
        {
            if (plan.Stream < _running.Length && _running[plan.Stream] is not null)
            {
                throw new InvalidOperationException("a step is running on the stream already; dispose it before the next one begins");
            }

            _recording += recording ? 1 : 0;
            _running = With(_running, plan.Stream, plan);
        }
    }

    /// <summary>The step that runs on a stream ends.</summary>
    public void End(int stream, bool recording)
    {
        lock (_gate)
        {
            _recording -= recording ? 1 : 0;
            _running = With(_running, stream, null);
        }
    }

    /// <summary>The plans with one at an index: the same array where it is long enough, so that a step makes no object.</summary>
    private static StepPlan?[] With(StepPlan?[] plans, int index, StepPlan? plan)
    {
        StepPlan?[] changed = index < plans.Length ? plans : [.. plans, .. new StepPlan?[index + 1 - plans.Length]];
        Volatile.Write(ref changed[index], plan);
        return changed;
    }

    private static int SlotOf(Allocation block) => ~block.Index & (MostSlots - 1);

    private StepPlan PlanOf(Allocation block)
    {
        int number = ~block.Index >> SlotBits;
        StepPlan?[] plans = _plans;
        return number < plans.Length && plans[number] is { } plan ? plan : throw StepPlan.Stale(block);
    }

    private void NoteRecorded(Allocation block, bool freed)
    {
        foreach (StepPlan? plan in _running)
        {
            plan?.NoteRecorded(block, freed);
        }
    }
}

namespace AiOs.Runtime;

/// <summary>
/// The dictionaries that PyTorch's <c>torch.cuda.memory._snapshot()</c> makes and its page memory_viz reads: segments with
/// blocks that fill them, and one trace of events per device, of which there is one.
/// </summary>
internal static class SnapshotPickle
{
    /// <summary>Writes a snapshot.</summary>
    public static void Write(MemorySnapshot snapshot, System.IO.Stream output)
    {
        using var buffer = new BufferedStream(output, 1 << 16);
        var pickle = new PickleWriter(buffer);
        pickle.Start();
        pickle.Dictionary(() =>
        {
            pickle.Key("segments");
            pickle.List(snapshot.Segments, segment => Segment(pickle, segment));
            pickle.Key("device_traces");
            pickle.List<int>([0], _ => pickle.List(snapshot.History.SelectMany(Actions), step => Event(pickle, step.Action, step.Event)));
        });
        pickle.Stop();
    }

    private static void Segment(PickleWriter pickle, MemorySegment segment) => pickle.Dictionary(() =>
    {
        long allocated = segment.Blocks.Where(block => block.State == MemoryBlockState.Allocated).Sum(block => block.Bytes);
        long pending = segment.Blocks.Where(block => block.State == MemoryBlockState.PendingFree).Sum(block => block.Bytes);
        pickle.Item("device", 0);
        pickle.Item("address", segment.Address);
        pickle.Item("total_size", segment.Bytes);
        pickle.Item("allocated_size", allocated);
        pickle.Item("active_size", allocated + pending);
        pickle.Item("requested_size", segment.Blocks.Sum(block => block.RequestedBytes));
        pickle.Item("stream", 0); // Segments serve all streams.
        pickle.Item("segment_type", "large");
        pickle.Item("is_expandable", true);
        pickle.Key("frames");
        Frames(pickle, null);
        pickle.Key("blocks");
        pickle.List(segment.Blocks, block => pickle.Dictionary(() =>
        {
            pickle.Item("address", block.Address);
            pickle.Item("size", block.Bytes);
            pickle.Item("requested_size", block.State == MemoryBlockState.Allocated ? block.RequestedBytes : block.Bytes);
            pickle.Item("state", block.State switch
            {
                MemoryBlockState.Allocated => "active_allocated",
                MemoryBlockState.PendingFree => "active_pending_free",
                _ => "inactive",
            });
            pickle.Key("frames");
            Frames(pickle, block.Stack);
        }));
    });

    /// <summary>The page expects a block to be freed in two steps, which it shows as one when they follow each other.</summary>
    private static (string Action, MemoryEvent Event)[] Actions(MemoryEvent step) => step.Action switch
    {
        MemoryAction.Allocate => [("alloc", step)],
        MemoryAction.Free => [("free_requested", step), ("free_completed", step)],
        MemoryAction.Map => [("segment_map", step)],
        MemoryAction.Unmap => [("segment_unmap", step)],
        _ => [("oom", step)],
    };

    private static void Event(PickleWriter pickle, string action, MemoryEvent step) => pickle.Dictionary(() =>
    {
        bool isSegment = step.Action is MemoryAction.Map or MemoryAction.Unmap;
        pickle.Item("action", action);
        pickle.Item("addr", step.Address);
        pickle.Item("size", isSegment ? step.Bytes : step.RequestedBytes);
        pickle.Item("stream", isSegment ? 0 : step.Stream);
        pickle.Item("time_us", step.Time);
        if (step.Action == MemoryAction.OutOfMemory)
        {
            pickle.Item("device_free", 0);
        }

        pickle.Key("frames");
        Frames(pickle, step.Stack);
    });

    private static void Frames(PickleWriter pickle, CallStack? stack)
    {
        if (stack is null)
        {
            pickle.List<CallFrame>([], _ => { });
            return;
        }

        pickle.Once(stack, () => pickle.List(stack.Frames, frame => pickle.Dictionary(() =>
        {
            pickle.Item("name", frame.Type + "." + frame.Method);
            pickle.Item("filename", frame.File.Length == 0 ? frame.Assembly : frame.File);
            pickle.Item("line", frame.Line);
        })));
    }
}

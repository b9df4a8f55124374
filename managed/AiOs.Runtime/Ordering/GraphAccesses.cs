using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>What the nodes of a graph access; each launch of the graph accesses all of it.</summary>
internal sealed class GraphAccesses(ClockTable clocks)
{
    [ThreadStatic]
    private static Scope t_scope;

    private readonly List<RecordedAccess[]> _nodes = [];
    private readonly AccessHistory _history = new(clocks);

    /// <summary>All accesses of all nodes.</summary>
    public IEnumerable<RecordedAccess> All => _nodes.SelectMany(node => node);

    /// <summary>Until the scope is disposed, what the calling thread captures is the graph's.</summary>
    /// <param name="accesses">The graph's accesses; null when nobody asks for them.</param>
    /// <param name="first">The node that is captured first.</param>
    /// <param name="isUpdate">Whether nodes are set again, which were found to be in order before.</param>
    public static Scope Collect(GraphAccesses? accesses, int first, bool isUpdate)
    {
        Scope outer = t_scope;
        t_scope = new Scope(accesses, first, isUpdate);
        return outer;
    }

    /// <summary>Sets what the node accesses that is being captured.</summary>
    /// <param name="stream">The stream that is captured.</param>
    /// <param name="accesses">What the node accesses.</param>
    /// <param name="blocks">The memory of now.</param>
    /// <returns>The node; null when nobody asks for it.</returns>
    public static Place? Set(Stream stream, ReadOnlySpan<RangeAccess> accesses, BlockMap blocks)
    {
        (GraphAccesses? graph, int first, bool isUpdate) = t_scope;
        if (graph is null)
        {
            return null;
        }

        int node = first + (int)stream.Device.Driver.Captured(stream.Handle);
        while (graph._nodes.Count <= node)
        {
            graph._nodes.Add([]);
        }

        var place = new Place(graph, node, graph._nodes[node], isUpdate ? null : graph._history);
        graph._nodes[node] = new RecordedAccess[accesses.Length];
        for (int i = 0; i < accesses.Length; i++)
        {
            KnownBlock? block = blocks.Find(accesses[i].Range.Start);
            graph._nodes[node][i] = new RecordedAccess(accesses[i], block is { Graph: null, Freed: null } ? block.Allocated : null);
        }

        return place;
    }

    /// <summary>An access of a node.</summary>
    /// <param name="Access">The access.</param>
    /// <param name="Allocated">The allocation of its memory; null when that is the graph's own, or not of the device.</param>
    internal readonly record struct RecordedAccess(RangeAccess Access, Operation? Allocated);

    /// <summary>A node that is being captured.</summary>
    /// <param name="Graph">Its graph.</param>
    /// <param name="Node">Its number.</param>
    /// <param name="Earlier">What it accessed before an update.</param>
    /// <param name="Before">The accesses of the nodes before, which it must be in order with; null when that is not to be checked.</param>
    internal sealed record Place(GraphAccesses Graph, int Node, RecordedAccess[] Earlier, AccessHistory? Before)
    {
        /// <summary>The work was refused: the node is what it was.</summary>
        public void Withdraw() => Graph._nodes[Node] = Earlier;
    }

    /// <summary>What the calling thread captures into; disposing a scope makes it that again.</summary>
    internal readonly record struct Scope(GraphAccesses? Graph, int First, bool IsUpdate) : IDisposable
    {
        public void Dispose() => t_scope = this;
    }
}

using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>
/// A capture under way. The driver keeps no order of nodes and no streams; both are learned here: whenever a stream of the
/// capture records or waits for an event, its nodes so far are those that its next would come after, and theirs.
/// </summary>
internal sealed unsafe class CudaCapture(CudaTable cuda, CUstream origin)
{
    private readonly List<CUstream> _streams = [origin];
    private readonly Dictionary<CUgraphNode, int> _branches = [];

    /// <summary>The stream that it began with.</summary>
    public CUstream Origin { get; } = origin;

    /// <summary>The nodes so far, each after those that it depends on.</summary>
    public List<CUgraphNode> Nodes { get; } = [];

    /// <summary>The streams, in the order of joining.</summary>
    public IReadOnlyList<CUstream> Streams => _streams;

    /// <summary>Where the captured kernels tell what they find wrong.</summary>
    public List<nint> Records { get; } = [];

    /// <summary>Callbacks that were captured.</summary>
    public List<nint> Calls { get; } = [];

    /// <summary>The graph whose nodes are replaced; null when this makes a graph.</summary>
    public CudaGraph? Updated { get; init; }

    /// <summary>The first node that is replaced.</summary>
    public int First { get; init; }

    /// <summary>How many are.</summary>
    public int Count { get; init; }

    /// <summary>The branch of a node.</summary>
    public int BranchOf(CUgraphNode node) => _branches[node];

    /// <summary>A stream has been drawn in.</summary>
    public void Join(CUstream stream)
    {
        if (!_streams.Contains(stream))
        {
            _streams.Add(stream);
        }
    }

    /// <summary>Adds what all streams were given since the last time.</summary>
    public void CollectAll()
    {
        foreach (CUstream stream in _streams)
        {
            Collect(stream);
        }
    }

    /// <summary>Adds what a stream was given since the last time.</summary>
    public void Collect(CUstream stream)
    {
        CUstreamCaptureStatus status;
        CUgraph graph;
        CUgraphNode* last;
        nuint count = 0;
        if (cuda.cuStreamGetCaptureInfo(stream, &status, null, &graph, &last, &count) != CUresult.Success || status != CUstreamCaptureStatus.Active)
        {
            return;
        }

        int branch = _streams.IndexOf(stream), start = Nodes.Count;
        var open = new Stack<CUgraphNode>();
        foreach (CUgraphNode node in new ReadOnlySpan<CUgraphNode>(last, (int)count))
        {
            open.Push(node);
        }

        while (open.TryPop(out CUgraphNode node))
        {
            if (_branches.TryAdd(node, branch))
            {
                Nodes.Add(node);
                foreach (CUgraphNode before in CudaGraph.Dependencies(cuda, node))
                {
                    open.Push(before);
                }
            }
        }

        // A stream's own nodes are a chain, found from its end.
        Nodes.Reverse(start, Nodes.Count - start);
    }
}

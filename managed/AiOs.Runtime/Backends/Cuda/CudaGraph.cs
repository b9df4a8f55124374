using System.Runtime.InteropServices;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>A graph that was captured, its instance, and the nodes in the order of the capture.</summary>
internal sealed unsafe class CudaGraph
{
    private readonly CudaTable _cuda;
    private readonly CUgraph _graph;
    private readonly Node[] _nodes;

    private CudaGraph(CudaTable cuda, CUgraph graph, CUgraphExec exec, Node[] nodes, CudaCapture capture)
    {
        (_cuda, _graph, Exec, _nodes, Calls, Records) = (cuda, graph, exec, nodes, capture.Calls, capture.Records);
        int edges = nodes.Sum(node => Dependencies(cuda, node.Handle).Count(before => nodes.First(other => other.Handle == before).Branch != node.Branch));
        Shape = new GraphShape(nodes.Length, nodes.Select(node => node.Branch).Append(0).Max() + 1, edges, 1);
    }

    public CUgraphExec Exec { get; }

    public GraphShape Shape { get; }

    /// <summary>Callbacks among the nodes.</summary>
    public IReadOnlyList<nint> Calls { get; }

    /// <summary>Where the kernels tell what they find wrong.</summary>
    public IReadOnlyList<nint> Records { get; }

    /// <summary>Makes an instance of what was captured. Destroys the graph when that fails.</summary>
    public static CUresult Create(CudaTable cuda, CUgraph graph, CudaCapture capture, out CudaGraph? created)
    {
        CUgraphExec exec = default;
        CUresult result = cuda.cuGraphInstantiate(&exec, graph, 0);
        created = result == CUresult.Success
            ? new CudaGraph(cuda, graph, exec, [.. capture.Nodes.Select(node => Describe(cuda, node, capture.BranchOf(node)))], capture)
            : null;
        if (created is null)
        {
            _ = cuda.cuGraphDestroy(graph);
        }

        return result;
    }

    /// <summary>The nodes that one comes after.</summary>
    public static CUgraphNode[] Dependencies(CudaTable cuda, CUgraphNode node)
    {
        nuint count = 0;
        _ = cuda.cuGraphNodeGetDependencies(node, null, &count);
        var found = new CUgraphNode[(int)count];
        fixed (CUgraphNode* first = found)
        {
            _ = count == 0 ? CUresult.Success : cuda.cuGraphNodeGetDependencies(node, first, &count);
        }

        return found;
    }

    /// <summary>Name and branch of a node.</summary>
    public GraphNode this[long index] => new(_nodes[index].Name, _nodes[index].Branch);

    /// <summary>Gives nodes the values that others were captured with.</summary>
    /// <param name="capture">What was captured, of a graph that still exists.</param>
    /// <param name="context">The context.</param>
    /// <param name="problem">Why nothing was changed; null when the driver says it, or nothing failed.</param>
    public CUresult Update(CudaCapture capture, CUcontext context, out string? problem)
    {
        problem = capture.Nodes.Count == capture.Count
            ? null
            : $"the update has {capture.Nodes.Count} nodes, but {capture.Count} were announced";
        for (int i = 0; problem is null && i < capture.Count; i++)
        {
            Node old = _nodes[capture.First + i], node = Describe(_cuda, capture.Nodes[i], 0);
            if (old.Type != node.Type || old.Name != node.Name)
            {
                problem = $"node {capture.First + i} of the graph is {old.Name} and cannot become {node.Name}";
            }
        }

        CUresult result = problem is null ? CUresult.Success : CUresult.ErrorInvalidValue;
        for (int i = 0; result == CUresult.Success && i < capture.Count; i++)
        {
            result = Replace(_nodes[capture.First + i], capture.Nodes[i], context);
        }

        return result;
    }

    public void Destroy()
    {
        _ = _cuda.cuGraphExecDestroy(Exec);
        _ = _cuda.cuGraphDestroy(_graph);
    }

    private CUresult Replace(Node node, CUgraphNode values, CUcontext context)
    {
        switch (node.Type)
        {
            case CUgraphNodeType.Kernel:
                CUDA_KERNEL_NODE_PARAMS kernel;
                CUresult read = _cuda.cuGraphKernelNodeGetParams(values, &kernel);
                return read == CUresult.Success ? _cuda.cuGraphExecKernelNodeSetParams(Exec, node.Handle, &kernel) : read;
            case CUgraphNodeType.Memcpy:
                CUDA_MEMCPY3D copy;
                read = _cuda.cuGraphMemcpyNodeGetParams(values, &copy);
                return read == CUresult.Success ? _cuda.cuGraphExecMemcpyNodeSetParams(Exec, node.Handle, &copy, context) : read;
            case CUgraphNodeType.Memset:
                CUDA_MEMSET_NODE_PARAMS fill;
                read = _cuda.cuGraphMemsetNodeGetParams(values, &fill);
                return read == CUresult.Success ? _cuda.cuGraphExecMemsetNodeSetParams(Exec, node.Handle, &fill, context) : read;
            default:
                return CUresult.ErrorNotSupported;
        }
    }

    private static Node Describe(CudaTable cuda, CUgraphNode handle, int branch)
    {
        CUgraphNodeType type;
        _ = cuda.cuGraphNodeGetType(handle, &type);
        string name = type switch
        {
            CUgraphNodeType.Kernel => KernelName(cuda, handle),
            CUgraphNodeType.Memcpy => "copy",
            CUgraphNodeType.Memset => "fill",
            CUgraphNodeType.Host => "callback",
            _ => "other",
        };
        return new Node(handle, type, name, branch);
    }

    private static string KernelName(CudaTable cuda, CUgraphNode node)
    {
        CUDA_KERNEL_NODE_PARAMS kernel;
        byte* name = null;
        return cuda.cuGraphKernelNodeGetParams(node, &kernel) == CUresult.Success && cuda.cuFuncGetName != null
            && cuda.cuFuncGetName(&name, kernel.func) == CUresult.Success
            ? CudaNames.Demangle(Marshal.PtrToStringUTF8((nint)name)!)
            : "kernel";
    }

    private readonly record struct Node(CUgraphNode Handle, CUgraphNodeType Type, string Name, int Branch);
}

namespace AiOs.Runtime;

/// <summary>One command that ran while a trace was recorded. Times are nanoseconds of the monotonic clock.</summary>
/// <param name="Name">The function that enqueued it, such as <c>aios_gemm</c>; on CUDA the kernel.</param>
/// <param name="Stream">Number of the stream, see <see cref="Stream.Number"/>; for a node of a graph that of the launch;
/// 0 for a stream that is not the runtime's.</param>
/// <param name="Branch">Branch of a node of a graph, on CUDA one for each that ran beside others; 0 otherwise.</param>
/// <param name="Thread">The system's number of the thread that enqueued it; 0 for a node of a graph.</param>
/// <param name="EnqueuedNs">When it was enqueued; 0 when that was before the trace, and for a node of a graph.</param>
/// <param name="StartNs">When it began to run.</param>
/// <param name="EndNs">When it had run.</param>
/// <param name="Bytes">Bytes that a copy or a fill wrote.</param>
public readonly record struct TraceRecord(
    string Name, long Stream, int Branch, long Thread, long EnqueuedNs, long StartNs, long EndNs, long Bytes);

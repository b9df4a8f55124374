namespace AiOs.Runtime;

/// <summary>One command of a <see cref="Graph"/>.</summary>
/// <param name="Name">The function that enqueued it, such as <c>aios_gemm</c>; <c>copy</c>, <c>fill</c> or <c>callback</c>.</param>
/// <param name="Branch">0 for the stream that was captured, then the streams that events drew in, in their order.</param>
public readonly record struct GraphNode(string Name, int Branch);

namespace AiOs.Runtime;

/// <summary>What a graph is made of.</summary>
/// <param name="Nodes">Commands.</param>
/// <param name="Branches">Streams that took part in the capture.</param>
/// <param name="Edges">Waits between branches.</param>
/// <param name="Commands">What a launch enqueues.</param>
internal readonly record struct GraphShape(int Nodes, int Branches, int Edges, int Commands);

namespace AiOs.Runtime;

/// <summary>What the host did: an activity of a source named <c>AiOs.*</c>. Times are nanoseconds of the monotonic clock.</summary>
/// <param name="Name">Name of the activity, such as <c>step</c>.</param>
/// <param name="Thread">Number of the managed thread that began it.</param>
/// <param name="StartNs">When it began.</param>
/// <param name="EndNs">When it ended.</param>
public readonly record struct HostSpan(string Name, int Thread, long StartNs, long EndNs);

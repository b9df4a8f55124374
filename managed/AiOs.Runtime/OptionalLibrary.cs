namespace AiOs.Runtime;

/// <summary>A library that a backend can do without, as it was found on this machine.</summary>
/// <param name="Name">What it is called, such as "NVRTC".</param>
/// <param name="Version">The version that it says it has; null when it was not found or cannot be used.</param>
/// <param name="Use">What needs it.</param>
/// <param name="Problem">Why it cannot be used; null when it can.</param>
/// <param name="Fix">What to do about it; null when it can be used or the problem says it.</param>
public sealed record OptionalLibrary(string Name, string? Version, string Use, string? Problem, string? Fix);

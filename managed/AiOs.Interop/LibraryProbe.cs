namespace AiOs.Interop;

/// <summary>What came of looking for a native library.</summary>
/// <param name="Name">Name of the library without <c>lib</c> and extension.</param>
/// <param name="Found">Whether a library that fits was loaded.</param>
/// <param name="Path">Where it was loaded from; null when it was not found.</param>
/// <param name="Handle">Handle for looking up functions, or 0. The library stays loaded.</param>
/// <param name="Tried">Every place that was looked at, in order, with what came of it.</param>
/// <param name="Problem">One line that says why there is no library; null when there is one.</param>
/// <param name="Fix">One line that says what to do about it; null when there is nothing to do.</param>
public sealed record LibraryProbe(
    string Name,
    bool Found,
    string? Path,
    nint Handle,
    IReadOnlyList<(string Path, string Outcome)> Tried,
    string? Problem,
    string? Fix);

namespace AiOs.Runtime;

/// <summary>What was found of a backend on this machine: what <c>aios doctor</c> prints.</summary>
/// <param name="Name">The name that <see cref="Device.Open"/> takes.</param>
/// <param name="Available">True when the backend can be opened.</param>
/// <param name="Devices">Its devices; empty when it is not available.</param>
/// <param name="Tried">Every place that was looked at, and what was there.</param>
/// <param name="LibraryPath">The provider library that was found; null when none was.</param>
/// <param name="Problem">Why the backend is not available; null when it is.</param>
/// <param name="Fix">What to do about it; null when nothing needs doing.</param>
public sealed record BackendProbe(
    string Name,
    bool Available,
    IReadOnlyList<DeviceInfo> Devices,
    IReadOnlyList<(string Path, string Outcome)> Tried,
    string? LibraryPath,
    string? Problem,
    string? Fix)
{
    /// <summary>False when nothing here suggests that the backend should be available, such as CUDA on a machine without a GPU.</summary>
    public bool IsExpected { get; init; } = true;
}

using System.Globalization;

namespace AiOs.Runtime;

/// <summary>What replaying a graph saves: the host's time for enqueuing, recorded against launched.</summary>
/// <param name="Nodes">Commands of the graph.</param>
/// <param name="Branches">Streams that took part in the capture.</param>
/// <param name="Commands">What a launch enqueues.</param>
/// <param name="Launches">Launches so far.</param>
/// <param name="RecordTime">
/// What the host took to record the graph: to enqueue its work once, and to compile whatever code that ran for the first time.
/// </param>
/// <param name="LaunchTime">What the host took for a launch and the updates before it, on average.</param>
public sealed record GraphReport(int Nodes, int Branches, int Commands, long Launches, TimeSpan RecordTime, TimeSpan LaunchTime)
{
    /// <summary>One line with units.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Count(Nodes, "node")} in {Count(Branches, "branch", "branches")}; recording took {Microseconds(RecordTime)} µs, compilation of code included; replaying takes {Microseconds(LaunchTime)} µs ({Count(Launches, "launch", "launches")} of {Count(Commands, "command")})");

    private static string Count(long count, string one, string? many = null) =>
        string.Create(CultureInfo.InvariantCulture, $"{count} {(count == 1 ? one : many ?? one + "s")}");

    private static string Microseconds(TimeSpan time) => time.TotalMicroseconds.ToString("F1", CultureInfo.InvariantCulture);
}

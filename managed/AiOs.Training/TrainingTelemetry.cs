using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace AiOs.Training;

/// <summary>
/// The meter and the activity source named <c>AiOs.Training</c>: duration of steps, tokens trained on, and activities for
/// the host's part of a step, validations and checkpoints. Nothing is paid while nobody listens.
/// </summary>
internal static class TrainingTelemetry
{
    public const string Name = "AiOs.Training";

    private static readonly Meter s_meter = new(Name);

    private static readonly Histogram<double> s_duration =
        s_meter.CreateHistogram<double>("aios.training.step.duration", "s", "Time from one step's results to the next one's.");

    private static readonly Counter<long> s_tokens = s_meter.CreateCounter<long>("aios.training.tokens", "{token}", "Tokens trained on.");

    public static ActivitySource Activities { get; } = new(Name);

    /// <summary>A step whose results have come.</summary>
    public static void Step(double milliseconds, long tokens)
    {
        s_duration.Record(milliseconds / 1000);
        s_tokens.Add(tokens);
    }
}

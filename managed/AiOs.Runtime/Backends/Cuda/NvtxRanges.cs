using System.Diagnostics;

namespace AiOs.Runtime;

/// <summary>
/// Shows the activities of all sources named <c>AiOs.*</c> as ranges to the tool that listens to NVTX. Without one nobody listens
/// to the sources on its behalf, and nothing is paid.
/// </summary>
internal static class NvtxRanges
{
    private static readonly Lazy<ActivityListener?> s_listener = new(() => NvtxTool.IsAttached ? Listen() : null);

    /// <summary>From the first device on, for the life of the process.</summary>
    public static void Start() => _ = s_listener.Value;

    private static ActivityListener Listen()
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = RuntimeTelemetry.IsOurs,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.PropagationData,
            ActivityStarted = activity => activity.SetCustomProperty(nameof(NvtxRanges), NvtxTool.Begin(activity.OperationName)),
            ActivityStopped = End,
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }

    private static void End(Activity activity)
    {
        if (activity.GetCustomProperty(nameof(NvtxRanges)) is ulong range)
        {
            NvtxTool.End(range);
        }
    }
}

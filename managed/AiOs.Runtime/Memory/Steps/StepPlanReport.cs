using System.Globalization;

namespace AiOs.Runtime;

/// <summary>What a <see cref="StepPlan"/> is and has done.</summary>
/// <param name="Bytes">Bytes that the planned blocks of a step take together; 0 before there was a plan.</param>
/// <param name="InUseBytes">Most bytes of them that are in use at one moment: no plan could do with less.</param>
/// <param name="Steps">Steps begun.</param>
/// <param name="ReplayedSteps">Steps that ran as they were planned.</param>
/// <param name="Mismatches">Steps that left the plan because they did something else.</param>
public sealed record StepPlanReport(long Bytes, long InUseBytes, long Steps, long ReplayedSteps, long Mismatches)
{
    /// <summary>One line with units.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{ReplayedSteps} of {Steps} steps replayed, {Mismatches} left the plan; their blocks lie in {Mebibytes(Bytes)} MiB, {Mebibytes(InUseBytes)} of them in use at once");

    private static string Mebibytes(long bytes) => (bytes / 1048576.0).ToString("F1", CultureInfo.InvariantCulture);
}

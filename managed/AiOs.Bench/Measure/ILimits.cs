using AiOs.Bench.Results;

namespace AiOs.Bench.Measure;

/// <summary>The limits of a machine: what it could do in the best case.</summary>
internal interface ILimits : IDisposable
{
    /// <summary>The nearest memory in which the work's operands are when it begins.</summary>
    Level LevelOf(in Work work);

    /// <summary>The limits that bound a work, now.</summary>
    RoundLimits Measure(in Work work);

    /// <summary>Name of the limit of an arithmetic.</summary>
    string NameOf(Arithmetic arithmetic);

    /// <summary>All limits, for the head of the report.</summary>
    IReadOnlyList<MeasuredLimit> Overview();
}

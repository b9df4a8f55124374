namespace AiOs.Runtime;

/// <summary>A step of a <see cref="StepPlan"/> that is running, until it is disposed.</summary>
public readonly struct StepScope : IDisposable, IEquatable<StepScope>
{
    private readonly StepPlan? _plan;

    internal StepScope(StepPlan plan) => _plan = plan;

    /// <summary>Ends the step.</summary>
    public void Dispose() => _plan?.End();

    /// <inheritdoc/>
    public bool Equals(StepScope other) => ReferenceEquals(_plan, other._plan);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is StepScope other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _plan?.GetHashCode() ?? 0;

    /// <summary>Whether both are of one plan.</summary>
    public static bool operator ==(StepScope left, StepScope right) => left.Equals(right);

    /// <summary>Whether they are of different plans.</summary>
    public static bool operator !=(StepScope left, StepScope right) => !left.Equals(right);
}

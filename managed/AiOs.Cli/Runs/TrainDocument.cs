using AiOs.Runtime;

namespace AiOs.Cli.Runs;

/// <summary>What a run came to: what <c>aios train --json</c> prints and the lines at its end say.</summary>
internal sealed record TrainDocument
{
    /// <summary>Steps done, those before a resume included.</summary>
    public required long Steps { get; init; }

    /// <summary>False when the run was interrupted; <see cref="Resume"/> then goes on.</summary>
    public required bool Completed { get; init; }

    /// <summary>Seconds this process trained.</summary>
    public required double Seconds { get; init; }

    /// <summary>Tokens per second, the median over the steps; null when no step was done.</summary>
    public required double? TokensPerSecond { get; init; }

    /// <summary>Numbers the model learns.</summary>
    public required long Parameters { get; init; }

    /// <summary>Training loss of the last step in nats per token; null when no step was done.</summary>
    public required double? Loss { get; init; }

    /// <summary>Validation loss at the end in nats per token; null without a validation part.</summary>
    public required double? ValidationLoss { get; init; }

    /// <summary>Bigram cross-entropy of the validation part in nats per token; null without one.</summary>
    public required double? BigramLoss { get; init; }

    /// <summary>Whether the model beats the bigram; null without a validation part.</summary>
    public bool? BigramBeaten => ValidationLoss < BigramLoss ? true : ValidationLoss is null || BigramLoss is null ? null : false;

    /// <summary>A line the model was not trained on and how the model goes on from it; null when the data were tokens.</summary>
    public required string? Sample { get; init; }

    /// <summary>The newest checkpoint.</summary>
    public required string? Checkpoint { get; init; }

    /// <summary>The report.</summary>
    public required string Report { get; init; }

    /// <summary>The command that goes on; null when the run is complete.</summary>
    public required string? Resume { get; init; }

    /// <summary>Device, kernels and threads.</summary>
    public required string Device { get; init; }

    /// <summary>Most device memory that was reserved at one moment.</summary>
    public required long PeakReservedBytes { get; init; }

    /// <summary>What replaying the recorded step saves; null without --graph.</summary>
    public string? Graph { get; init; }

    /// <summary>What the plan of the steps' memory did; null without --plan-memory.</summary>
    public StepPlanReport? MemoryPlan { get; init; }
}

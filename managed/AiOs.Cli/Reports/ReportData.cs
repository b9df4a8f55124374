namespace AiOs.Cli.Reports;

/// <summary>One point of the training curves.</summary>
/// <param name="Step">Zero-based step.</param>
/// <param name="Loss">Mean cross-entropy of the step's batch before the update, nats per token.</param>
/// <param name="LearningRate">Learning rate of the update.</param>
/// <param name="TokensPerSecond">Tokens of the batch divided by the time of the step.</param>
/// <param name="MemoryBytes">Device memory the run has taken, in bytes.</param>
internal readonly record struct ReportStep(long Step, double Loss, double LearningRate, double TokensPerSecond, long MemoryBytes);

/// <summary>One evaluation.</summary>
/// <param name="Step">Number of steps that had been done.</param>
/// <param name="Loss">Mean cross-entropy over the validation part, nats per token.</param>
internal readonly record struct ReportValidation(long Step, double Loss);

/// <summary>A table of names and values.</summary>
internal sealed record ReportTable(string Title, IReadOnlyList<KeyValuePair<string, string>> Rows);

/// <summary>Everything a report shows; it does not know where the numbers come from.</summary>
internal sealed record ReportData
{
    /// <summary>Headline of the page.</summary>
    public required string Title { get; init; }

    /// <summary>One sentence below the headline.</summary>
    public required string Summary { get; init; }

    /// <summary>The steps, in order.</summary>
    public required IReadOnlyList<ReportStep> Steps { get; init; }

    /// <summary>The evaluations, in order; empty when the run has no validation part.</summary>
    public IReadOnlyList<ReportValidation> Validation { get; init; } = [];

    /// <summary>Bigram cross-entropy of the validation part in nats per token, when there is one.</summary>
    public double? Bigram { get; init; }

    /// <summary>Text that the model generated; null when there is none.</summary>
    public string? Sample { get; init; }

    /// <summary>Configuration, environment and the like.</summary>
    public IReadOnlyList<ReportTable> Tables { get; init; } = [];

    /// <summary>When the report was written.</summary>
    public DateTimeOffset Written { get; init; }
}

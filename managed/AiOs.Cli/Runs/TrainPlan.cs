using AiOs.Models.Tokenizers;
using AiOs.Training;
using AiOs.Training.Checkpoints;
using AiOs.Training.Data;

namespace AiOs.Cli.Runs;

/// <summary>A run that is decided in every detail and not started: nothing was written yet.</summary>
internal sealed record TrainPlan : IDisposable
{
    /// <summary>What the trainer is told.</summary>
    public required TrainerOptions Options { get; init; }

    /// <summary>All tokens.</summary>
    public required ITokenSource Source { get; init; }

    /// <summary>The part that is trained on.</summary>
    public required ITokenSource Training { get; init; }

    /// <summary>The part that is only evaluated on; null in a sequential run.</summary>
    public required ITokenSource? Validation { get; init; }

    /// <summary>What turns tokens into text; null when the data were tokens already.</summary>
    public required ITokenizer? Tokenizer { get; init; }

    /// <summary>What the data are called in reports.</summary>
    public required string DataName { get; init; }

    /// <summary>Weights to start from; null for random ones.</summary>
    public string? Init { get; init; }

    /// <summary>Where the run goes on; null for a new run.</summary>
    public Checkpoint? Checkpoint { get; init; }

    /// <summary>Directory of checkpoints and report.</summary>
    public required string Out { get; init; }

    /// <summary>The first step that will be done, counted from 0.</summary>
    public long FirstStep => Checkpoint?.State.Step ?? 0;

    /// <summary>Closes the data.</summary>
    public void Dispose() => (Source as IDisposable)?.Dispose();
}

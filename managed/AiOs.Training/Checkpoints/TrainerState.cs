namespace AiOs.Training.Checkpoints;

/// <summary>
/// What a run needs, besides its tensors, to go on as if it had never stopped: integers and the options, because data
/// order and randomness are functions of (seed, step).
/// </summary>
public sealed record TrainerState
{
    /// <summary>Steps done.</summary>
    public required long Step { get; init; }

    /// <summary>The options of the run.</summary>
    public required TrainerOptions Options { get; init; }

    /// <summary>The tokens the run is trained on.</summary>
    public required DataIdentity Data { get; init; }
}

/// <summary>Tells whether the data of a resumed run are those it was started with.</summary>
/// <param name="Tokens">Number of training tokens.</param>
/// <param name="Sha256">SHA-256 over a sample of them.</param>
public sealed record DataIdentity(long Tokens, string Sha256);

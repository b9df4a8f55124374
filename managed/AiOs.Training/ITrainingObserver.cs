namespace AiOs.Training;

/// <summary>Watches a run. Calls come from the thread that runs it, in the order of the steps.</summary>
public interface ITrainingObserver
{
    /// <summary>A step has run.</summary>
    void OnStep(in StepRecord record);

    /// <summary>The model was measured on the validation data.</summary>
    void OnValidation(in ValidationRecord record);

    /// <summary>A checkpoint is complete.</summary>
    /// <param name="path">Its directory.</param>
    void OnCheckpoint(string path);
}

/// <summary>What one step was like.</summary>
/// <param name="Step">Number of the step, counted from 0.</param>
/// <param name="Loss">Mean cross-entropy of the step's batch before its update, in nats per token.</param>
/// <param name="GradNorm">Norm of all gradients before clipping.</param>
/// <param name="LearningRate">Learning rate of the step.</param>
/// <param name="Milliseconds">Time since the step before, or since the run began.</param>
/// <param name="TokensPerSecond">Tokens of the batch over that time.</param>
/// <param name="MemoryBytes">Device memory the run has taken, in use or cached.</param>
public readonly record struct StepRecord(
    long Step, double Loss, double GradNorm, double LearningRate, double Milliseconds, double TokensPerSecond, long MemoryBytes);

/// <summary>What the model is like on data it is not trained on.</summary>
/// <param name="Step">Steps done before the measurement.</param>
/// <param name="Loss">Mean cross-entropy in nats per token.</param>
public readonly record struct ValidationRecord(long Step, double Loss);

/// <summary>How a run ended.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Completed">False when it was cancelled before its last step.</param>
/// <param name="Loss">Loss of the last step; NaN when none was done.</param>
/// <param name="ValidationLoss">The last validation; null when there was none.</param>
public readonly record struct TrainingResult(long Step, bool Completed, double Loss, double? ValidationLoss);

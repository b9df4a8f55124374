using AiOs.Training;

namespace AiOs.Cli.Runs;

/// <summary>Hands what a run says to the display, the logs and the curves of the report.</summary>
internal sealed class RunRecorder : ITrainingObserver, IDisposable
{
    private readonly TrainDisplay _display;
    private readonly StepLog _history;
    private readonly StepLog? _log;
    private readonly int _earlier;

    /// <summary>Opens the logs; what they hold of steps that will be done again is dropped.</summary>
    /// <param name="display">Shows the run.</param>
    /// <param name="historyPath">Log of everything the report shows, which a resumed run reads back.</param>
    /// <param name="logPath">The user's log; null for none.</param>
    /// <param name="first">The first step that will be done, counted from 0.</param>
    public RunRecorder(TrainDisplay display, string historyPath, string? logPath, long first)
    {
        _display = display;
        _log = logPath is null ? null : StepLog.Open(logPath, first, history: false);
        _history = StepLog.Open(historyPath, first, history: true);
        (Steps, Validation) = StepLog.Read(historyPath);
        _earlier = Steps.Count;
    }

    /// <summary>All steps, those before a resume included.</summary>
    public List<StepRecord> Steps { get; }

    /// <summary>All evaluations.</summary>
    public List<ValidationRecord> Validation { get; }

    /// <summary>The newest checkpoint; null before the first.</summary>
    public string? Checkpoint { get; private set; }

    /// <summary>Median of the tokens per second of the steps of this process; null when there were none.</summary>
    public double? MedianRate
    {
        get
        {
            double[] rates = [.. Steps.Skip(_earlier).Select(step => step.TokensPerSecond).Order()];
            return rates.Length == 0 ? null : rates[rates.Length / 2];
        }
    }

    public void OnStep(in StepRecord record)
    {
        _log?.Write(record);
        _history.Write(record);
        Steps.Add(record);
        _display.Step(record);
    }

    public void OnValidation(in ValidationRecord record)
    {
        _history.Write(record);
        Validation.Add(record);
        _display.Validation(record);
    }

    public void OnCheckpoint(string path) => Checkpoint = path;

    public void Dispose()
    {
        _log?.Dispose();
        _history.Dispose();
    }
}

using System.Diagnostics;
using System.Globalization;
using AiOs.Training;
using Spectre.Console;

namespace AiOs.Cli.Runs;

/// <summary>
/// Shows a run as it goes: one live line on a terminal, otherwise a plain line now and then, so that a log file stays
/// short.
/// </summary>
internal sealed class TrainDisplay
{
    /// <summary>Plain lines of a whole run.</summary>
    private const int PlainLines = 25;

    private readonly IAnsiConsole _console;
    private readonly long _first;
    private readonly long _steps;
    private readonly long _every;
    private readonly Stopwatch _clock = new();
    private ProgressTask? _live;
    private double _validation = double.NaN;

    /// <summary>Prepares the display of the steps from <paramref name="first"/> (counted from 0) up to <paramref name="steps"/>.</summary>
    public TrainDisplay(IAnsiConsole console, long first, long steps)
    {
        (_console, _first, _steps) = (console, first, steps);
        _every = Math.Max(1, (steps - first) / PlainLines);
    }

    /// <summary>Runs the training with its display around it.</summary>
    public void Show(Action training)
    {
        _clock.Start();
        if (!_console.Profile.Capabilities.Interactive || !_console.Profile.Capabilities.Ansi)
        {
            training();
            return;
        }

        _console.Progress().AutoClear(true)
            .Columns(new ProgressBarColumn { Width = 14 }, new TaskDescriptionColumn { Alignment = Justify.Left })
            .Start(context =>
            {
                _live = context.AddTask("starting", maxValue: Math.Max(1, _steps));
                _live.Value = _first;
                training();
            });
        _live = null;
    }

    /// <summary>The user asked for an end; what is in progress is finished first.</summary>
    public void Stopping()
    {
        const string notice = "finishing the step and saving; Ctrl-C again ends at once";
        if (_live is { } live)
        {
            live.Description = notice;
        }
        else
        {
            _console.WriteLine(notice);
        }
    }

    /// <summary>A step was done.</summary>
    public void Step(in StepRecord record)
    {
        long done = record.Step + 1;
        if (_live is not null)
        {
            string validation = double.IsNaN(_validation) ? string.Empty : $"  val [bold]{_validation.ToString("F3", CultureInfo.InvariantCulture)}[/]";
            _live.Value = done;
            _live.Description = string.Create(CultureInfo.InvariantCulture,
                $"{done}/{_steps}  loss [bold]{record.Loss:F3}[/]{validation}  {Units.Count(record.TokensPerSecond)} tokens/s  ETA {Remaining(done)}");
        }
        else if (record.Step == _first || done == _steps || done % _every == 0)
        {
            _console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"step {done,7}/{_steps}  loss {record.Loss:F4}  lr {record.LearningRate:0.00e-00}  {Units.Count(record.TokensPerSecond),9} tokens/s  ETA {Remaining(done)}"));
        }
    }

    /// <summary>The model was evaluated.</summary>
    public void Validation(in ValidationRecord record)
    {
        _validation = record.Loss;
        if (_live is null)
        {
            _console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"step {record.Step,7}/{_steps}  validation loss {record.Loss:F4}"));
        }
    }

    private string Remaining(long done) => Units.Duration(_clock.Elapsed * ((double)(_steps - done) / (done - _first)));
}

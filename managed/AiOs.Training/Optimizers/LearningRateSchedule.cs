using AiOs.Runtime;

namespace AiOs.Training.Optimizers;

/// <summary>How the learning rate goes on after the warm-up.</summary>
public enum ScheduleKind
{
    /// <summary>Stays where it is.</summary>
    Constant,

    /// <summary>Falls along half a cosine to a tenth at the last step (Loshchilov and Hutter, arXiv:1608.03983).</summary>
    Cosine,

    /// <summary>Falls along a line to a tenth at the last step.</summary>
    Linear,
}

/// <summary>
/// The learning rate as a function of the step: (s + 1) / warmup of the peak during the warm-up, then, with
/// r = (s - warmup) / max(1, steps - 1 - warmup), the whole of it, 0.1 + 0.45 (1 + cos(pi r)), or 1 - 0.9 r.
/// </summary>
public sealed class LearningRateSchedule
{
    private readonly ScheduleKind _kind;
    private readonly double _peak;
    private readonly long _warmup;
    private readonly long _steps;

    /// <summary>Makes the schedule of a run.</summary>
    /// <param name="kind">What follows the warm-up.</param>
    /// <param name="peak">Highest learning rate.</param>
    /// <param name="warmup">Steps of the warm-up; 0 for none.</param>
    /// <param name="steps">Steps of the whole run.</param>
    /// <exception cref="AiOsException">A value makes no sense.</exception>
    public LearningRateSchedule(ScheduleKind kind, double peak, long warmup, long steps)
    {
        if (!double.IsFinite(peak) || peak < 0)
        {
            throw new AiOsException($"a learning rate of {peak} makes no sense; use a number of 0 or more, such as 0.001");
        }

        if (warmup < 0 || steps < 0)
        {
            throw new AiOsException($"{steps} steps with {warmup} of warm-up make no sense; use 0 or more of each");
        }

        (_kind, _peak, _warmup, _steps) = (kind, peak, warmup, steps);
    }

    /// <summary>The learning rate of a step, counted from 0. Past the last step it stays at its last value.</summary>
    public double At(long step)
    {
        if (step < _warmup)
        {
            return _peak * (step + 1) / _warmup;
        }

        double r = Math.Min(1.0, (step - _warmup) / (double)Math.Max(1, _steps - 1 - _warmup));
        return _kind switch
        {
            ScheduleKind.Cosine => (0.1 * _peak) + (0.45 * _peak * (1 + Math.Cos(Math.PI * r))),
            ScheduleKind.Linear => _peak * (1 - (0.9 * r)),
            _ => _peak,
        };
    }
}

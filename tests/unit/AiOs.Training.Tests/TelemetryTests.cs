using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace AiOs.Training.Tests;

public sealed class TelemetryTests
{
    [Fact]
    public void StepsAreMeasuredAndActivitiesNamed()
    {
        var durations = new List<double>();
        long tokens = 0;
        using var meter = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == "AiOs.Training")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        int thread = Environment.CurrentManagedThreadId; // other tests train at the same time, on other threads
        meter.SetMeasurementEventCallback<double>((instrument, value, _, _) =>
        {
            if (Environment.CurrentManagedThreadId == thread)
            {
                Assert.Equal(("aios.training.step.duration", "s"), (instrument.Name, instrument.Unit));
                durations.Add(value);
            }
        });
        meter.SetMeasurementEventCallback<long>((instrument, value, _, _) =>
        {
            if (Environment.CurrentManagedThreadId == thread)
            {
                Assert.Equal("aios.training.tokens", instrument.Name);
                tokens += value;
            }
        });
        meter.Start();
        var activities = new List<string>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "AiOs.Training",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.PropagationData,
            ActivityStopped = activity =>
            {
                if (Environment.CurrentManagedThreadId == thread)
                {
                    activities.Add(activity.OperationName);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        using var directory = new TemporaryDirectory();
        TrainerOptions run = Fixtures.TinyRun with { Steps = 5, OutDirectory = directory.Path };
        Fixtures.OnDevice(device =>
        {
            using var trainer = new Trainer(device, run, Fixtures.Tokens(500), Fixtures.Tokens(200));
            return trainer.Run();
        });
        Assert.Equal(5, durations.Count);
        Assert.All(durations, seconds => Assert.InRange(seconds, 1e-9, 100));
        Assert.Equal(5 * run.Batch * run.Model.Block, tokens);
        Assert.Equal([.. Enumerable.Repeat("step", 5), "validation", "checkpoint"], activities);
    }
}

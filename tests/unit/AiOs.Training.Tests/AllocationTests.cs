namespace AiOs.Training.Tests;

/// <summary>
/// A step makes no managed object once it is warm. Alone in the process: while TelemetryTests listens every step of the process
/// makes an Activity, and a collection charges a thread with the unused rest of its allocation context.
/// </summary>
[Collection("one at a time")]
public sealed class AllocationTests
{
    private const int Steps = 40;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AStepMakesNoManagedObjects(bool planMemory)
    {
        var recorder = new AllocationRecorder();
        Fixtures.OnDevice(device =>
        {
            using var trainer = new Trainer(device, Fixtures.TinyRun with { Steps = Steps, Accumulate = 2, PlanMemory = planMemory }, Fixtures.Tokens(500));
            return trainer.Run(recorder);
        }, detectRaces: false); // The detector makes objects.

        // Pools fill and code is compiled in the first steps. An object per step would be in all of three stretches.
        Assert.Equal(0, Enumerable.Range(0, 3).Min(i => recorder.Allocated[26 + (6 * i)] - recorder.Allocated[20 + (6 * i)]));
    }

    private sealed class AllocationRecorder : ITrainingObserver
    {
        public long[] Allocated { get; } = new long[Steps];

        public void OnStep(in StepRecord record) => Allocated[record.Step] = GC.GetAllocatedBytesForCurrentThread();

        public void OnValidation(in ValidationRecord record)
        {
        }

        public void OnCheckpoint(string path)
        {
        }
    }
}

using AiOs.Runtime;
using AiOs.Training.Optimizers;

namespace AiOs.Training.Tests;

public sealed class ScheduleTests
{
    [Theory]
    [InlineData(ScheduleKind.Constant, 0, 0.25)]
    [InlineData(ScheduleKind.Constant, 2, 0.75)]
    [InlineData(ScheduleKind.Constant, 3, 1.0)]
    [InlineData(ScheduleKind.Constant, 14, 1.0)]
    [InlineData(ScheduleKind.Cosine, 1, 0.5)]
    [InlineData(ScheduleKind.Cosine, 4, 1.0)]
    [InlineData(ScheduleKind.Cosine, 9, 0.55)]
    [InlineData(ScheduleKind.Cosine, 14, 0.1)]
    [InlineData(ScheduleKind.Cosine, 99, 0.1)]
    [InlineData(ScheduleKind.Linear, 4, 1.0)]
    [InlineData(ScheduleKind.Linear, 6, 0.82)]
    [InlineData(ScheduleKind.Linear, 9, 0.55)]
    [InlineData(ScheduleKind.Linear, 14, 0.1)]
    public void FollowsTheFormula(ScheduleKind kind, long step, double expected)
    {
        // 15 steps, 4 of them warm-up: r = (step - 4) / 10.
        var schedule = new LearningRateSchedule(kind, 0.5, 4, 15);
        Assert.Equal(0.5 * expected, schedule.At(step), 1e-12);
    }

    [Theory]
    [InlineData(ScheduleKind.Cosine, 0, 1, 0, 1.0)]
    [InlineData(ScheduleKind.Linear, 1, 1, 0, 1.0)]
    [InlineData(ScheduleKind.Cosine, 5, 5, 4, 1.0)]
    public void ARunWithoutRoomToFallKeepsThePeak(ScheduleKind kind, long warmup, long steps, long step, double expected) =>
        Assert.Equal(expected, new LearningRateSchedule(kind, 1, warmup, steps).At(step), 1e-12);

    [Fact]
    public void RefusesNonsense()
    {
        Assert.Throws<AiOsException>(() => new LearningRateSchedule(ScheduleKind.Constant, double.NaN, 0, 1));
        Assert.Throws<AiOsException>(() => new LearningRateSchedule(ScheduleKind.Constant, -1, 0, 1));
        Assert.Throws<AiOsException>(() => new LearningRateSchedule(ScheduleKind.Constant, 1, -1, 1));
    }
}

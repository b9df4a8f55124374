using AiOs.Bench.Measure;

namespace AiOs.Bench.Tests;

public sealed class StatisticsTests
{
    [Theory]
    [InlineData(new double[] { 3 }, 3)]
    [InlineData(new double[] { 9, 1, 5 }, 5)]
    [InlineData(new double[] { 4, 1, 3, 2 }, 2.5)]
    public void Median_is_the_middle(double[] values, double expected) => Assert.Equal(expected, Statistics.Median(values));

    [Fact]
    public void Quantile_is_linear_between_neighbours()
    {
        double[] values = [10, 0, 20, 30, 40];
        Assert.Equal(4, Statistics.Quantile(values, 0.1), 12);
        Assert.Equal(36, Statistics.Quantile(values, 0.9), 12);
        Assert.Equal(0, Statistics.Quantile(values, 0));
        Assert.Equal(40, Statistics.Quantile(values, 1));
        Assert.True(double.IsNaN(Statistics.Quantile([], 0.5)));
    }

    [Fact]
    public void Spread_and_geometric_mean()
    {
        Assert.Equal(0.5, Statistics.Spread([4, 5, 3, 4]));
        Assert.Equal(0, Statistics.Spread([7]));
        Assert.Equal(4, Statistics.GeometricMean([2, 8]), 12);
    }

    [Fact]
    public void The_least_time_is_that_of_arithmetic_or_memory_or_their_sum()
    {
        RoundLimits limits = new(1000, 100, 80, 1, 1);
        Assert.Equal(1, limits.Seconds(new Work(0, Arithmetic.None, 100, 0)), 12);
        Assert.Equal(1.5, limits.Seconds(new Work(0, Arithmetic.None, 60, 60)), 12);
        Assert.Equal(5, limits.Seconds(new Work(5000, Arithmetic.F32, 60, 60)), 12);
        Assert.Equal(6.5, limits.Seconds(new Work(5000, Arithmetic.F32, 60, 60, Sequential: true)), 12);
    }

    [Fact]
    public void Samples_are_distinct_places_with_both_ends()
    {
        Assert.Equal([0L, 1L, 2L], Verdict.Sample(3, 10));
        long[] places = [.. Verdict.Sample(1000, 50)];
        Assert.Equal(50, places.Length);
        Assert.Contains(0L, places);
        Assert.Contains(999L, places);
        Assert.All(places, place => Assert.InRange(place, 0, 999));
        Assert.True(places.Distinct().Count() > 40);
    }
}

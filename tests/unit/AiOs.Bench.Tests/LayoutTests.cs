using AiOs.Bench.Peers.Cuda.Layouts;
using AiOs.Bench.Peers.Layouts;

namespace AiOs.Bench.Tests;

public sealed class LayoutTests
{
    [Fact]
    public void Types_lie_in_memory_as_in_C() =>
        Assert.All(
            [
                .. CblasTableLayout.Measure(), .. OneDnnTableLayout.Measure(), .. EnvironmentTableLayout.Measure(),
                .. CublasTableLayout.Measure(), .. CublasLtTableLayout.Measure(),
            ],
            entry => Assert.Equal(entry.Expected, entry.Actual));
}

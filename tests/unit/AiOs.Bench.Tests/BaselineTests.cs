using AiOs.Bench.Results;

namespace AiOs.Bench.Tests;

public sealed class BaselineTests
{
    private static readonly BenchResult Before = new()
    {
        Op = "gemm",
        Backend = "cpu",
        DType = "f32",
        Shape = "8,8,8,nn",
        Threads = 2,
        Correct = true,
        MedianUs = 100,
        LimitShare = 0.8,
        RatioToBestPeer = 1.2,
        Peers = new Dictionary<string, double>(),
    };

    [Fact]
    public void A_lower_share_of_the_limit_is_named()
    {
        BenchResult now = Before with { LimitShare = 0.7 };
        string line = Assert.Single(Baseline.Regressions([Before], [now], 0.95));
        Assert.Contains("gemm f32 8,8,8,nn", line, StringComparison.Ordinal);
        Assert.Contains("0.700", line, StringComparison.Ordinal);
        Assert.Contains("0.800", line, StringComparison.Ordinal);
        Assert.Empty(Baseline.Regressions([Before], [now], 0.87));
    }

    [Fact]
    public void Times_alone_say_nothing() =>
        Assert.Empty(Baseline.Regressions([Before], [Before with { MedianUs = 1000, RatioToBestPeer = 0.1 }], 0.95));

    [Fact]
    public void Without_a_limit_the_peer_counts()
    {
        BenchResult before = Before with { LimitShare = null };
        Assert.Single(Baseline.Regressions([before], [before with { RatioToBestPeer = 1.0 }], 0.95));
        Assert.Empty(Baseline.Regressions([before], [before with { RatioToBestPeer = 1.15 }], 0.95));
        Assert.Empty(Baseline.Regressions([before], [before with { RatioToBestPeer = null }], 0.95));
    }

    [Fact]
    public void A_result_that_is_wrong_now_is_a_regression() =>
        Assert.Single(Baseline.Regressions([Before], [Before with { Correct = false, LimitShare = null, MedianUs = null }], 0.95));

    [Fact]
    public void Other_cases_are_not_compared()
    {
        BenchResult[] others = [Before with { Shape = "9,9,9,nn", LimitShare = 0.1 }, Before with { Threads = 1, LimitShare = 0.1 }];
        Assert.Empty(Baseline.Regressions([Before], others, 0.95));
        Assert.Equal(0, Baseline.Shared([Before], others));
        Assert.Equal(1, Baseline.Shared([Before], [Before]));
    }
}

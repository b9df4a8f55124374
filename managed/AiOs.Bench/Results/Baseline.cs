using System.Globalization;

namespace AiOs.Bench.Results;

/// <summary>Compares a run with an earlier one by ratios, which do not move with the machine's clock.</summary>
public static class Baseline
{
    /// <summary>
    /// The cases that got worse: whose share of the limit, or ratio to the best peer where no limit is known, fell below
    /// <paramref name="least"/> times what it was; and those whose result is no longer right. Cases that only one run has are no
    /// regression.
    /// </summary>
    /// <param name="before">The earlier run.</param>
    /// <param name="now">This run.</param>
    /// <param name="least">Share of the earlier ratio that is enough, such as 0.95.</param>
    /// <returns>One line for each.</returns>
    public static IReadOnlyList<string> Regressions(IReadOnlyList<BenchResult> before, IReadOnlyList<BenchResult> now, double least)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(now);
        Dictionary<(string, string, int), BenchResult> earlier = [];
        foreach (BenchResult result in before)
        {
            earlier[(result.Backend, result.Key, result.Threads)] = result;
        }

        List<string> lines = [];
        foreach (BenchResult result in now)
        {
            if (!earlier.TryGetValue((result.Backend, result.Key, result.Threads), out BenchResult? old))
            {
                continue;
            }

            if (old.Correct && !result.Correct)
            {
                lines.Add($"{result.Key}: the result was right and is wrong now");
            }
            else if (Compare(result.LimitShare, old.LimitShare, "share of the limit") is { } share)
            {
                lines.Add(share);
            }
            else if (result.LimitShare is null && Compare(result.RatioToBestPeer, old.RatioToBestPeer, "ratio to the best peer") is { } ratio)
            {
                lines.Add(ratio);
            }

            string? Compare(double? value, double? was, string what) => value < least * was
                ? string.Create(CultureInfo.InvariantCulture, $"{result.Key}: {what} {value:F3}, was {was:F3} ({value / was:F2} of it, at least {least:G} is wanted)")
                : null;
        }

        return lines;
    }

    /// <summary>How many cases both runs have.</summary>
    /// <param name="before">The earlier run.</param>
    /// <param name="now">This run.</param>
    public static int Shared(IReadOnlyList<BenchResult> before, IReadOnlyList<BenchResult> now) =>
        now.Select(r => (r.Backend, r.Key, r.Threads)).Intersect(before.Select(r => (r.Backend, r.Key, r.Threads))).Count();
}

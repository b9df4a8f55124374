using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace AiOs.Benchmarks;

/// <summary>
/// What the managed side costs. Takes BenchmarkDotNet's arguments; without <c>--job</c> it is a short run. Everything
/// runs in this process, so that nothing is built or restored behind the user's back.
/// </summary>
internal static class Program
{
    private static int Main(string[] args)
    {
        List<string> arguments = [.. args, "--inProcess"];
        if (!arguments.Exists(argument => argument is "--job" or "-j"))
        {
            arguments.AddRange(["--job", "short", "--iterationTime", "100"]);
        }

        IConfig config = DefaultConfig.Instance
            .WithOptions(ConfigOptions.DisableLogFile)
            .HideColumns(Column.Error, Column.RatioSD, Column.AllocRatio, Column.Gen0, Column.Gen1, Column.Gen2)
            .HideColumns(Column.IterationCount, Column.WarmupCount, Column.InvocationCount, Column.UnrollFactor)
            .AddColumn(StatisticColumn.Median, StatisticColumn.Min);
        List<Summary> summaries = [.. BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run([.. arguments], config)];
        bool good = summaries.TrueForAll(summary => !summary.HasCriticalValidationErrors && summary.Reports.All(report => report.Success));
        return good && summaries.Count > 0 ? 0 : 1;
    }
}

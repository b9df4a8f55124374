using AiOs.Runtime;

namespace AiOs.Cli.Runs;

/// <summary><c>--trace FILE</c>: a timeline of what a command does on a device.</summary>
internal static class Timeline
{
    /// <summary>Runs something and writes its timeline, also when it fails.</summary>
    /// <param name="device">The device that it uses.</param>
    /// <param name="path">The file; null for no timeline.</param>
    /// <param name="run">What is to be run.</param>
    /// <returns>What it returns.</returns>
    public static T Record<T>(Device device, string? path, Func<T> run)
    {
        if (path is null)
        {
            return run();
        }

        // Before anything runs: a file that cannot be written should not cost the run.
        using FileStream file = File.Create(path);
        using TraceSession session = TraceSession.Start(device);
        try
        {
            return run();
        }
        finally
        {
            TraceLog log = session.Stop();
            ChromeTrace.Write(file, log);
            if (log.Problem is not null)
            {
                Console.Error.WriteLine($"{path}: no device commands: {log.Problem}");
            }

            if (log.Dropped > 0)
            {
                Console.Error.WriteLine($"{path}: the first {log.Records.Count} commands; {log.Dropped} more had no room");
            }
        }
    }
}

using System.Globalization;

namespace AiOs.Cli;

/// <summary>What the system says about this machine and the container around this process. Null is "does not say".</summary>
internal static class HostFacts
{
    /// <summary>Memory this control group may use, in bytes; null when there is no limit.</summary>
    public static long? MemoryLimit()
    {
        string? text = ReadText("/sys/fs/cgroup/memory.max") ?? ReadText("/sys/fs/cgroup/memory/memory.limit_in_bytes");

        // Version 1 writes "no limit" as the largest multiple of the page size.
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long bytes) && bytes < long.MaxValue / 2 ? bytes : null;
    }

    /// <summary>A line of /proc/meminfo, in bytes.</summary>
    public static long? MemoryInfo(string name)
    {
        foreach (string line in (ReadText("/proc/meminfo") ?? string.Empty).Split('\n'))
        {
            if (line.StartsWith(name + ":", StringComparison.Ordinal)
                && long.TryParse(line[(name.Length + 1)..].Replace("kB", string.Empty, StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture, out long kilobytes))
            {
                return kilobytes * 1024;
            }
        }

        return null;
    }

    /// <summary>The chosen mode of transparent huge pages: always, madvise or never.</summary>
    public static string? TransparentHugePages()
    {
        string text = ReadText("/sys/kernel/mm/transparent_hugepage/enabled") ?? string.Empty;
        int open = text.IndexOf('[', StringComparison.Ordinal);
        int close = text.IndexOf(']', StringComparison.Ordinal);
        return open >= 0 && close > open ? text[(open + 1)..close] : null;
    }

    private static string? ReadText(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllText(path).Trim() : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}

using AiOs.Runtime;

namespace AiOs.Cli;

/// <summary>Files with what a device's memory was used for.</summary>
internal static class MemoryOutput
{
    /// <summary>Events that are recorded: some hundred steps of a small model.</summary>
    public const int Events = 1 << 17;

    /// <summary>Finds out before anything is computed that a file cannot be written.</summary>
    /// <param name="option">The option that names it.</param>
    /// <param name="path">The file; null for none.</param>
    /// <exception cref="AiOsException">Its directory is missing or takes no file, or it is a directory.</exception>
    public static void Check(string option, string? path)
    {
        OutputFile.Check(option, path);
        try
        {
            if (path is not null)
            {
                // A file that takes the place of the old one is written beside it.
                using var file = File.Create(path + ".tmp", 1, FileOptions.DeleteOnClose);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new AiOsException($"{option} {path}: no file can be made there: {e.Message}", e);
        }
    }

    /// <summary>Writes a snapshot as an HTML page when the file's name ends in .html, otherwise as a pickle.</summary>
    public static void Write(MemorySnapshot snapshot, string path)
    {
        if (path.EndsWith(".html", StringComparison.OrdinalIgnoreCase))
        {
            snapshot.WriteHtml(path);
        }
        else
        {
            snapshot.WritePickle(path);
        }
    }
}

using AiOs.Runtime;

namespace AiOs.Cli;

/// <summary>Files that a command writes when it is done.</summary>
internal static class OutputFile
{
    /// <summary>Finds out before anything is computed that a file has no place.</summary>
    /// <param name="option">The option that names it.</param>
    /// <param name="path">The file; null for none.</param>
    /// <exception cref="AiOsException">Its directory is missing, or it is a directory.</exception>
    public static void Check(string option, string? path)
    {
        if (path is null)
        {
            return;
        }

        string directory = Path.GetDirectoryName(Path.GetFullPath(path)) ?? path;
        if (!Directory.Exists(directory))
        {
            throw new AiOsException($"{option} {path}: the directory {directory} does not exist; create it first");
        }

        if (Directory.Exists(path))
        {
            throw new AiOsException($"{option} {path}: that is a directory; name a file");
        }
    }
}

using AiOs.Runtime;

namespace AiOs.Models.Formats;

/// <summary>Turns what the file system throws into one line that says what to do.</summary>
public static class FileAccessErrors
{
    /// <summary>True for the exceptions that a missing, forbidden, full or broken file causes.</summary>
    public static bool IsExpected(Exception e) =>
        e is IOException or UnauthorizedAccessException or NotSupportedException or System.Security.SecurityException;

    /// <summary>The error of a file that could not be read.</summary>
    public static AiOsException CannotRead(string path, Exception cause)
    {
        (string problem, string fix) = cause switch
        {
            FileNotFoundException or DirectoryNotFoundException => ("no such file", "check the path"),
            UnauthorizedAccessException when Directory.Exists(path) => ("this is a directory", "name a file in it"),
            UnauthorizedAccessException => ("permission denied", "make it readable for this user"),
            _ => ($"cannot be read ({OneLine(cause)})", "check the path and the disk"),
        };
        return new InvalidFileException(path, problem, fix);
    }

    /// <summary>The error of a file or directory that could not be written.</summary>
    public static AiOsException CannotWrite(string path, Exception cause)
    {
        // The low half of the HResult of an I/O error is the system's error number; ENOSPC 28, EFBIG 27, EDQUOT 122.
        bool full = cause is IOException && (cause.HResult & 0xffff) is 28 or 27 or 122 ||
            cause.Message.Contains("No space left", StringComparison.Ordinal) ||
            cause.Message.Contains("disk is full", StringComparison.OrdinalIgnoreCase);
        (string problem, string fix) = cause switch
        {
            _ when full => ("the disk is full", "free some space or choose another directory"),
            UnauthorizedAccessException => ("permission denied", "choose a directory this user may write to"),
            _ => ($"cannot be written ({OneLine(cause)})", "choose another directory or check the disk"),
        };
        return new InvalidFileException(path, problem, fix);
    }

    /// <summary>The length of a regular file that may be read, in bytes.</summary>
    /// <exception cref="InvalidFileException">The path is missing, a directory, or no regular file.</exception>
    public static long LengthOfReadable(string path)
    {
        var info = new FileInfo(path);
        if (Directory.Exists(path))
        {
            throw new InvalidFileException(path, "this is a directory", "name a file in it");
        }

        if (!info.Exists)
        {
            throw new InvalidFileException(path, "no such file", "check the path");
        }

        return info.Length;
    }

    private static string OneLine(Exception e) => e.Message.ReplaceLineEndings(" ");
}

using System.Runtime.InteropServices;
using AiOs.Runtime;
using Stream = System.IO.Stream;

namespace AiOs.Models.Formats;

/// <summary>
/// Writes files so that a crash, a full disk or a kill leaves either the old file or the new one: to a temporary file
/// in the same directory, flushed to the disk, then renamed over the target, and the directory flushed.
/// </summary>
public static partial class DurableFile
{
    private const int BufferBytes = 1 << 16;

    /// <summary>Replaces <paramref name="path"/> by what <paramref name="write"/> writes.</summary>
    /// <exception cref="AiOsException">The file cannot be written; nothing half-written is left behind.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        string directory = Path.GetDirectoryName(Path.GetFullPath(path))!;
        string temporary = Path.Combine(directory, $".{Path.GetFileName(path)}.{Guid.NewGuid():n}.tmp");
        try
        {
            Create(temporary, write);
            File.Move(temporary, path, overwrite: true);
            FlushDirectory(directory);
        }
        catch (Exception e)
        {
            TryDelete(temporary);
            if (FileAccessErrors.IsExpected(e))
            {
                throw FileAccessErrors.CannotWrite(path, e);
            }

            throw;
        }
    }

    /// <summary>Creates a file and flushes it to the disk; for files of a directory that is renamed as a whole.</summary>
    public static void Create(string path, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        using var stream = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, BufferBytes);
        write(stream);
        stream.Flush(flushToDisk: true);
    }

    /// <summary>Makes renames in a directory survive a crash of the machine.</summary>
    public static void FlushDirectory(string directory)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        const int readOnly = 0;
        int handle = OpenDirectory(directory, readOnly);
        if (handle < 0)
        {
            return;
        }

        // A file system that cannot flush directories says so; there is nothing better to do then.
        _ = FlushHandle(handle);
        _ = CloseHandle(handle);
    }

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (FileAccessErrors.IsExpected(e))
        {
            // The error that brought us here says more.
        }
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenDirectory(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int FlushHandle(int handle);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int CloseHandle(int handle);
}

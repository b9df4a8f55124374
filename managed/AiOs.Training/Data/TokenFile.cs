using System.IO.MemoryMappedFiles;
using AiOs.Models.Formats;
using AiOs.Runtime;

namespace AiOs.Training.Data;

/// <summary>A flat file of little-endian 16-bit token ids, memory-mapped and read-only.</summary>
public sealed unsafe class TokenFile : ITokenSource, IDisposable
{
    /// <summary>Largest vocabulary whose ids fit 16 bits.</summary>
    public const int MaxVocabulary = 65536;

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private ushort* _tokens;

    private TokenFile(string path, MemoryMappedFile file, MemoryMappedViewAccessor view, long length)
    {
        (Name, Length, _file, _view) = (path, length, file, view);
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        _tokens = (ushort*)(start + view.PointerOffset);
    }

    /// <summary>The path the file was opened with.</summary>
    public string Name { get; }

    /// <inheritdoc/>
    public long Length { get; }

    /// <summary>Opens a file and checks every token of it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="vocabulary">Ids must be below this, which is at most <see cref="MaxVocabulary"/>.</param>
    /// <exception cref="AiOsException">
    /// The file is missing, empty, of odd length, or holds an id that is too large; or the vocabulary does not fit.
    /// </exception>
    public static TokenFile Open(string path, int vocabulary)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        RequireVocabulary(vocabulary);
        try
        {
            long bytes = FileAccessErrors.LengthOfReadable(path);
            if (bytes == 0)
            {
                throw new InvalidFileException(path, "the file is empty", "give a file of 16-bit token ids");
            }

            if (bytes % sizeof(ushort) != 0)
            {
                throw new InvalidFileException(
                    path, $"{bytes} bytes are no whole number of 16-bit tokens", "give a file of little-endian 16-bit token ids");
            }

            var file = MemoryMappedFile.CreateFromFile(
                new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read), null, 0,
                MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            var tokens = new TokenFile(
                path, file, file.CreateViewAccessor(0, bytes, MemoryMappedFileAccess.Read), bytes / sizeof(ushort));
            tokens.CheckTokens(vocabulary);
            return tokens;
        }
        catch (Exception e) when (FileAccessErrors.IsExpected(e))
        {
            throw FileAccessErrors.CannotRead(path, e);
        }
    }

    /// <summary>Refuses a vocabulary whose ids do not fit 16 bits, or an empty one.</summary>
    /// <exception cref="AiOsException">The vocabulary is not 1 to <see cref="MaxVocabulary"/>.</exception>
    public static void RequireVocabulary(int vocabulary)
    {
        if (vocabulary is < 1 or > MaxVocabulary)
        {
            throw new AiOsException(
                $"a vocabulary of {vocabulary} does not fit 16-bit tokens; use 1 to {MaxVocabulary}");
        }
    }

    /// <inheritdoc/>
    public void Read(long start, Span<int> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, Length - destination.Length);
        TokenArray.Widen(View(start, destination.Length), destination);
    }

    /// <summary>Unmaps the file.</summary>
    public void Dispose()
    {
        if (_tokens is not null)
        {
            _tokens = null;
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _file.Dispose();
        }
    }

    private ReadOnlySpan<ushort> View(long start, int count)
    {
        ObjectDisposedException.ThrowIf(_tokens is null, this);
        return new ReadOnlySpan<ushort>(_tokens + start, count);
    }

    private void CheckTokens(int vocabulary)
    {
        const int piece = 1 << 24;
        for (long at = 0; at < Length && vocabulary < MaxVocabulary; at += piece)
        {
            ReadOnlySpan<ushort> tokens = View(at, (int)Math.Min(piece, Length - at));
            int bad = tokens.IndexOfAnyExceptInRange((ushort)0, (ushort)(vocabulary - 1));
            if (bad >= 0)
            {
                ushort value = tokens[bad];
                Dispose();
                throw new InvalidFileException(
                    Name, $"token {value} at position {at + bad} is not below the vocabulary of {vocabulary}",
                    $"use --vocab {value + 1} or more, or the file made for this vocabulary");
            }
        }
    }
}

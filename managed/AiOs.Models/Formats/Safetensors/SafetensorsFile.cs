using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using AiOs.Runtime;

namespace AiOs.Models.Formats;

/// <summary>
/// A safetensors file, memory-mapped and read-only. Opening validates the whole header against the file's length, so
/// that every view handed out afterwards lies inside the file. Spans are valid until the file is disposed.
/// </summary>
public sealed unsafe class SafetensorsFile : IDisposable
{
    /// <summary>Longest header that is read, in bytes: the limit of the format's own reference reader.</summary>
    public const long MaxHeaderBytes = 100_000_000;

    private const string Fix = "write or download the file again";

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly SafetensorsHeader _header;
    private byte* _data;

    private SafetensorsFile(
        string path, MemoryMappedFile file, MemoryMappedViewAccessor view, SafetensorsHeader header, byte* data)
    {
        Path = path;
        (_file, _view, _header) = (file, view, header);
        _data = data;
    }

    /// <summary>The path the file was opened with.</summary>
    public string Path { get; }

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Tensors => _header.Entries;

    /// <summary>The header's `__metadata__`; empty when there is none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>Opens and validates a file.</summary>
    /// <exception cref="InvalidFileException">The file cannot be read or breaks the format.</exception>
    public static SafetensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        MemoryMappedFile? file = null;
        MemoryMappedViewAccessor? view = null;
        bool pinned = false;
        try
        {
            long length = FileAccessErrors.LengthOfReadable(path);
            if (length < sizeof(ulong))
            {
                throw new InvalidFileException(path, $"{length} bytes are too few for a safetensors file", Fix);
            }

            file = MemoryMappedFile.CreateFromFile(
                new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read), null, 0,
                MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            view = file.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
            byte* start = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            pinned = true;
            start += view.PointerOffset;

            ulong headerLength = BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(start, sizeof(ulong)));
            if (headerLength > MaxHeaderBytes || headerLength > (ulong)(length - sizeof(ulong)))
            {
                throw new InvalidFileException(
                    path, $"the header claims {headerLength} bytes of a file of {length} (limit {MaxHeaderBytes})", Fix);
            }

            long dataStart = sizeof(ulong) + (long)headerLength;
            SafetensorsHeader header = SafetensorsHeader.Parse(
                path, new ReadOnlySpan<byte>(start + sizeof(ulong), (int)headerLength), length - dataStart);
            return new SafetensorsFile(path, file, view, header, start + dataStart);
        }
        catch (Exception e)
        {
            if (pinned)
            {
                view!.SafeMemoryMappedViewHandle.ReleasePointer();
            }

            view?.Dispose();
            file?.Dispose();
            if (FileAccessErrors.IsExpected(e))
            {
                throw FileAccessErrors.CannotRead(path, e);
            }

            throw;
        }
    }

    /// <summary>Finds a tensor.</summary>
    /// <exception cref="InvalidFileException">The file has no tensor of that name.</exception>
    public SafetensorsEntry Find(string name) => Tensors.TryGetValue(name, out SafetensorsEntry? entry)
        ? entry
        : throw new InvalidFileException(
            Path, $"there is no tensor {PrintableText.Quote(name)}", "use a file that holds this model's weights");

    /// <summary>
    /// Views <paramref name="count"/> bytes of a tensor from byte <paramref name="start"/> of its data; one view holds
    /// at most 2 GiB.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The range is not inside the tensor.</exception>
    public ReadOnlySpan<byte> Bytes(SafetensorsEntry entry, long start, int count)
    {
        ArgumentNullException.ThrowIfNull(entry);
        ObjectDisposedException.ThrowIf(_data is null, this);
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, entry.ByteLength - count);
        return new ReadOnlySpan<byte>(_data + entry.Offset + start, count);
    }

    /// <summary>
    /// Reads elements of an F32, F16 or BF16 tensor as binary32, from element <paramref name="start"/> on.
    /// </summary>
    /// <exception cref="InvalidFileException">The tensor has another type.</exception>
    public void Read(SafetensorsEntry entry, long start, Span<float> destination)
    {
        ArgumentNullException.ThrowIfNull(entry);
        int size = SafetensorsTypes.SizeOf(entry.Type);
        ReadOnlySpan<byte> raw = Bytes(entry, start * size, checked(destination.Length * size));
        switch (entry.Type)
        {
            case SafetensorsType.F32:
                raw.CopyTo(MemoryMarshal.AsBytes(destination));
                break;
            case SafetensorsType.F16:
                ReadOnlySpan<Half> values = MemoryMarshal.Cast<byte, Half>(raw);
                for (int i = 0; i < values.Length; i++)
                {
                    destination[i] = (float)values[i];
                }

                break;
            case SafetensorsType.BF16:
                ReadOnlySpan<ushort> halves = MemoryMarshal.Cast<byte, ushort>(raw);
                for (int i = 0; i < halves.Length; i++)
                {
                    destination[i] = BitConverter.UInt32BitsToSingle((uint)halves[i] << 16);
                }

                break;
            default:
                throw new InvalidFileException(
                    Path, $"tensor {PrintableText.Quote(entry.Name)} is {SafetensorsTypes.NameOf(entry.Type)}, not a float type that can be read",
                    "convert it to F32, F16 or BF16");
        }
    }

    /// <summary>Unmaps the file.</summary>
    public void Dispose()
    {
        if (_data is not null)
        {
            _data = null;
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _file.Dispose();
        }
    }
}

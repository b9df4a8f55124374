using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using AiOs.Runtime;
using Stream = System.IO.Stream;

namespace AiOs.Models.Formats;

/// <summary>A tensor to be written: its description and a way to get its bytes piece by piece.</summary>
/// <param name="Name">Unique, not "__metadata__".</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Extents, outermost first.</param>
/// <param name="Fill">
/// Fills the span with the tensor's bytes (row-major, little-endian) from the given byte offset; called with offsets
/// that ascend and are multiples of 64 until all bytes were asked for.
/// </param>
public sealed record SafetensorsItem(
    string Name, SafetensorsType Type, IReadOnlyList<long> Shape, SafetensorsItem.Filler Fill)
{
    /// <summary>Fills <paramref name="destination"/> from byte <paramref name="offset"/> of the tensor on.</summary>
    public delegate void Filler(long offset, Span<byte> destination);

    /// <summary>Bytes of the tensor's data.</summary>
    public long ByteLength => Shape.Aggregate((long)SafetensorsTypes.SizeOf(Type), (a, b) => checked(a * b));
}

/// <summary>Writes safetensors files without holding more than one buffer of a tensor in memory.</summary>
public static class SafetensorsWriter
{
    private const int ChunkBytes = 1 << 20;

    /// <summary>Writes a file atomically: the old file stays until the new one is complete and on the disk.</summary>
    /// <exception cref="AiOsException">The file cannot be written; nothing is left behind.</exception>
    public static void Write(
        string path, IReadOnlyList<SafetensorsItem> items, IReadOnlyDictionary<string, string>? metadata = null) =>
        DurableFile.Write(path, stream => Write(stream, items, metadata));

    /// <summary>Writes the format to a stream.</summary>
    /// <exception cref="ArgumentException">Two items have one name, or a name is reserved.</exception>
    public static void Write(
        Stream stream, IReadOnlyList<SafetensorsItem> items, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(items);
        byte[] header = MakeHeader(items, metadata);
        Span<byte> prefix = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, (ulong)header.Length);
        stream.Write(prefix);
        stream.Write(header);

        byte[] chunk = ArrayPool<byte>.Shared.Rent(ChunkBytes);
        try
        {
            foreach (SafetensorsItem item in items)
            {
                long length = item.ByteLength;
                for (long at = 0; at < length; at += ChunkBytes)
                {
                    Span<byte> piece = chunk.AsSpan(0, (int)Math.Min(ChunkBytes, length - at));
                    item.Fill(at, piece);
                    stream.Write(piece);
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(chunk);
        }
    }

    private static byte[] MakeHeader(
        IReadOnlyList<SafetensorsItem> items, IReadOnlyDictionary<string, string>? metadata)
    {
        var text = new ArrayBufferWriter<byte>();
        var options = new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (var json = new Utf8JsonWriter(text, options))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject("__metadata__");
                foreach ((string key, string value) in metadata)
                {
                    json.WriteString(key, value);
                }

                json.WriteEndObject();
            }

            WriteItems(json, items);
            json.WriteEndObject();
        }

        // Padding with spaces keeps the data aligned to 8 bytes.
        int padding = -text.WrittenCount & 7;
        text.GetSpan(padding)[..padding].Fill((byte)' ');
        text.Advance(padding);
        return text.WrittenSpan.ToArray();
    }

    private static void WriteItems(Utf8JsonWriter json, IReadOnlyList<SafetensorsItem> items)
    {
        var names = new HashSet<string>(StringComparer.Ordinal) { "__metadata__" };
        long at = 0;
        foreach (SafetensorsItem item in items)
        {
            if (!names.Add(item.Name))
            {
                throw new ArgumentException(
                    $"tensor name {PrintableText.Quote(item.Name)} is reserved or used twice; use another", nameof(items));
            }

            json.WriteStartObject(item.Name);
            json.WriteString("dtype", SafetensorsTypes.NameOf(item.Type));
            json.WriteStartArray("shape");
            foreach (long extent in item.Shape)
            {
                json.WriteNumberValue(extent);
            }

            json.WriteEndArray();
            json.WriteStartArray("data_offsets");
            json.WriteNumberValue(at);
            json.WriteNumberValue(checked(at += item.ByteLength));
            json.WriteEndArray();
            json.WriteEndObject();
        }
    }
}

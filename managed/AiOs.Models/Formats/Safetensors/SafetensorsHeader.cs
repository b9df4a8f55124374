using System.Text.Json;
using AiOs.Runtime;

namespace AiOs.Models.Formats;

/// <summary>
/// Reads the JSON header of a safetensors file and proves that it describes exactly the bytes that follow it: every
/// shape fits its range, and the ranges cover the data without gap or overlap. Nothing of a header is believed before.
/// </summary>
internal sealed class SafetensorsHeader
{
    private const string Fix = "write or download the file again";
    private const string MetadataName = "__metadata__";

    private readonly string _path;
    private readonly long _dataLength;
    private readonly Dictionary<string, SafetensorsEntry> _entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);
    private bool _hasMetadata;

    private SafetensorsHeader(string path, long dataLength) => (_path, _dataLength) = (path, dataLength);

    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => _entries;

    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>Parses the header of a file that has <paramref name="dataLength"/> bytes after it.</summary>
    /// <exception cref="InvalidFileException">The header breaks the format in any way.</exception>
    public static SafetensorsHeader Parse(string path, ReadOnlySpan<byte> json, long dataLength)
    {
        var header = new SafetensorsHeader(path, dataLength);
        if (json.Length == 0 || json[0] != (byte)'{')
        {
            throw header.Invalid("the header does not start with '{', so this is not a safetensors file");
        }

        try
        {
            header.ReadObject(json);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            // Utf8JsonReader reports text that is not UTF-8 as an InvalidOperationException.
            throw header.Invalid("the header is not valid JSON");
        }

        header.CheckRanges();
        return header;
    }

    private InvalidFileException Invalid(string problem) => new(_path, problem, Fix);

    private InvalidFileException Invalid(string tensor, string problem) =>
        new(_path, $"tensor {PrintableText.Quote(tensor)}: {problem}", Fix);

    private void ReadObject(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 8 });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            if (name == MetadataName)
            {
                ReadMetadata(ref reader);
            }
            else
            {
                SafetensorsEntry entry = ReadEntry(ref reader, name);
                if (!_entries.TryAdd(name, entry))
                {
                    throw Invalid(name, "the name appears twice");
                }
            }
        }

        // Reading on throws unless only the padding is left.
        reader.Read();
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        if (_hasMetadata || reader.TokenType != JsonTokenType.StartObject)
        {
            throw Invalid(_hasMetadata ? "__metadata__ appears twice" : "__metadata__ is not an object");
        }

        _hasMetadata = true;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String || !_metadata.TryAdd(key, reader.GetString()!))
            {
                throw Invalid($"__metadata__ entry {PrintableText.Quote(key)} is not a string or appears twice");
            }
        }
    }

    private SafetensorsEntry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw Invalid(name, "its description is not an object");
        }

        string? type = null;
        List<long>? shape = null, offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            bool repeated = key switch
            {
                "dtype" => type is not null,
                "shape" => shape is not null,
                "data_offsets" => offsets is not null,
                _ => throw Invalid(name, $"unknown field {PrintableText.Quote(key)}"),
            };
            if (repeated)
            {
                throw Invalid(name, $"field '{key}' appears twice");
            }

            if (key == "dtype")
            {
                type = reader.TokenType == JsonTokenType.String
                    ? reader.GetString() : throw Invalid(name, "dtype is not a string");
            }
            else if (key == "shape")
            {
                shape = ReadIntegers(ref reader, name, key);
            }
            else
            {
                offsets = ReadIntegers(ref reader, name, key);
            }
        }

        if (type is null || shape is null || offsets is null)
        {
            string missing = type is null ? "dtype" : shape is null ? "shape" : "data_offsets";
            throw Invalid(name, $"field '{missing}' is missing");
        }

        return MakeEntry(name, type, shape, offsets);
    }

    private List<long> ReadIntegers(ref Utf8JsonReader reader, string name, string key)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw Invalid(name, $"{key} is not an array");
        }

        var values = new List<long>(4);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long value) || value < 0)
            {
                throw Invalid(name, $"{key} holds something that is not an integer of 0 to {long.MaxValue}");
            }

            values.Add(value);
        }

        return values;
    }

    private SafetensorsEntry MakeEntry(string name, string typeName, List<long> shape, List<long> offsets)
    {
        if (!SafetensorsTypes.TryParse(typeName, out SafetensorsType type))
        {
            throw new InvalidFileException(
                _path, $"tensor {PrintableText.Quote(name)}: unknown dtype {PrintableText.Quote(typeName)}",
                "convert it to F32, F16 or BF16");
        }

        if (offsets.Count != 2 || offsets[0] > offsets[1])
        {
            throw Invalid(name, "data_offsets are not [begin, end] with begin <= end");
        }

        if (offsets[1] > _dataLength)
        {
            throw Invalid(name, $"its data ends at byte {offsets[1]} but the file has only {_dataLength}");
        }

        UInt128 bytes = (UInt128)SafetensorsTypes.SizeOf(type);
        foreach (long extent in shape)
        {
            bytes *= (UInt128)extent;
            if (bytes > long.MaxValue)
            {
                throw Invalid(name, "its shape has more elements than any file can hold");
            }
        }

        var entry = new SafetensorsEntry(name, type, shape, offsets[0], offsets[1] - offsets[0]);
        if (bytes != (UInt128)entry.ByteLength)
        {
            throw Invalid(
                name, $"shape {entry.ShapeText} of {typeName} needs {bytes} bytes but its offsets span {entry.ByteLength}");
        }

        return entry;
    }

    private void CheckRanges()
    {
        long at = 0;
        foreach (SafetensorsEntry entry in _entries.Values.OrderBy(e => e.Offset).ThenBy(e => e.ByteLength))
        {
            if (entry.Offset != at)
            {
                throw Invalid(
                    entry.Name, entry.Offset < at ? "its data overlaps another tensor's" : $"{entry.Offset - at} bytes before its data belong to no tensor");
            }

            at += entry.ByteLength;
        }

        if (at != _dataLength)
        {
            throw Invalid($"{_dataLength - at} bytes at the end belong to no tensor");
        }
    }
}

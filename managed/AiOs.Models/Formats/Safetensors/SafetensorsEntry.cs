namespace AiOs.Models.Formats;

/// <summary>One tensor of a safetensors file: what its header says.</summary>
/// <param name="Name">The tensor's name, unique in its file.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Extents, outermost first; empty for a scalar. Data is row-major and little-endian.</param>
/// <param name="Offset">First byte of the data, counted from the end of the header.</param>
/// <param name="ByteLength">Bytes of the data: the product of the shape times the size of an element.</param>
public sealed record SafetensorsEntry(
    string Name, SafetensorsType Type, IReadOnlyList<long> Shape, long Offset, long ByteLength)
{
    /// <summary>Number of elements: the product of the shape.</summary>
    public long Length => ByteLength / SafetensorsTypes.SizeOf(Type);

    /// <summary>The shape as text, such as "[768, 2304]".</summary>
    public string ShapeText => $"[{string.Join(", ", Shape)}]";
}

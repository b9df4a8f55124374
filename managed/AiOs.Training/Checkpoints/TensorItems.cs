using AiOs.Models.Formats;
using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Modules;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Checkpoints;

/// <summary>Moves F32 and BF16 tensors between a device and safetensors files, a piece at a time.</summary>
internal static class TensorItems
{
    private const int PieceElements = 1 << 18;
    private const int PieceBytes = 1 << 30;

    /// <summary>An item that reads a tensor's bytes from the device when it is written.</summary>
    public static SafetensorsItem Of(string name, Tensor value, Stream stream) => new(
        name, TypeOf(value), value.Shape.ToArray(),
        (offset, destination) => stream.CopyToHost(destination, value.On(stream) + (nint)offset));

    /// <summary>Refuses a tensor of another shape.</summary>
    /// <exception cref="InvalidFileException">The shapes differ.</exception>
    public static void CheckShape(SafetensorsFile file, SafetensorsEntry entry, Tensor value)
    {
        if (!value.Shape.SequenceEqual(entry.Shape.ToArray()))
        {
            throw new InvalidFileException(
                file.Path,
                $"tensor {PrintableText.Quote(entry.Name)} has shape {entry.ShapeText}, the model needs [{string.Join(", ", value.Shape.ToArray())}]",
                "set the model's shape to the file's or use another file");
        }
    }

    /// <summary>Overwrites a tensor with the values of a file, rounded to its type.</summary>
    /// <exception cref="InvalidFileException">The shapes differ, or the type is not a float type.</exception>
    public static void Load(SafetensorsFile file, SafetensorsEntry entry, Tensor value, Stream stream)
    {
        CheckShape(file, entry, value);
        if (entry.Type == TypeOf(value))
        {
            // Straight from the mapped file: the device's workers read its pages in parallel.
            for (long at = 0; at < entry.ByteLength; at += PieceBytes)
            {
                int count = (int)Math.Min(PieceBytes, entry.ByteLength - at);
                stream.CopyFromHost(value.On(stream) + (nint)at, file.Bytes(entry, at, count));
            }

            return;
        }

        var piece = new float[Math.Min(PieceElements, entry.Length)];
        for (long at = 0; at < entry.Length; at += PieceElements)
        {
            Span<float> part = piece.AsSpan(0, (int)Math.Min(PieceElements, entry.Length - at));
            file.Read(entry, at, part);
            Values.Write(value, at, part, stream);
        }
    }

    private static SafetensorsType TypeOf(Tensor value) =>
        value.DType == DType.BF16 ? SafetensorsType.BF16 : SafetensorsType.F32;
}

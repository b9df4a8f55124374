using System.Runtime.InteropServices;
using AiOs.Models.Formats;
using AiOs.Runtime;

namespace AiOs.Models.Compression.Quantization;

/// <summary>Reads the 4-bit layers of GPTQ and AWQ checkpoints, which name their tensors alike and pack them differently.</summary>
public static class GroupedWeightsFile
{
    /// <summary>
    /// Reads the layer whose tensors are <c>name.qweight</c> (I32), <c>name.qzeros</c> (I32), <c>name.scales</c> (F16) and
    /// perhaps <c>name.g_idx</c> (I32). The shape of qweight tells GPTQ, [inputs / 8, outputs], from AWQ,
    /// [inputs, outputs / 8].
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="name">What the tensors' names start with, such as <c>model.layers.0.mlp.up_proj</c>.</param>
    /// <param name="group">Inputs that share a scale; 0 takes the inputs divided by the groups that the scales have.</param>
    /// <returns>The weights, [outputs, inputs].</returns>
    /// <exception cref="InvalidFileException">
    /// A tensor is missing or has another type or shape, or the inputs are not in the order of their groups (GPTQ's
    /// <c>desc_act</c>).
    /// </exception>
    public static GroupedWeights Read(SafetensorsFile file, string name, int group = 0)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(name);
        ArgumentOutOfRangeException.ThrowIfNegative(group);
        SafetensorsEntry weights = Find(file, $"{name}.qweight", SafetensorsType.I32);
        SafetensorsEntry zeros = Find(file, $"{name}.qzeros", SafetensorsType.I32);
        SafetensorsEntry scales = Find(file, $"{name}.scales", SafetensorsType.F16);
        int groups = checked((int)scales.Shape[0]), outputs = checked((int)scales.Shape[1]);
        bool gptq = weights.Shape[1] == outputs;
        if (!gptq && weights.Shape[1] * 8 != outputs)
        {
            throw new InvalidFileException(
                file.Path, $"{weights.Name} is {weights.ShapeText} but {scales.Name} is {scales.ShapeText}", "use a checkpoint with 4-bit weights");
        }

        int inputs = checked((int)(weights.Shape[0] * (gptq ? 8 : 1)));
        if (group == 0)
        {
            group = groups > 0 && inputs % groups == 0 ? inputs / groups : throw new InvalidFileException(
                file.Path, $"{inputs} inputs of {name} are not evenly shared out over {groups} groups", "say how many inputs a group has");
        }

        CheckOrder(file, name, inputs, group);
        ReadOnlySpan<int> words = Data<int>(file, weights), zeroWords = Data<int>(file, zeros);
        ReadOnlySpan<Half> factors = Data<Half>(file, scales);
        try
        {
            return gptq
                ? GroupedWeights.FromGptq(words, zeroWords, factors, outputs, inputs, group)
                : GroupedWeights.FromAwq(words, zeroWords, factors, outputs, inputs, group);
        }
        catch (ArgumentException e)
        {
            throw new InvalidFileException(file.Path, $"{name}: {e.Message}", "use a checkpoint with 4-bit weights in groups of a multiple of 32");
        }
    }

    private static SafetensorsEntry Find(SafetensorsFile file, string name, SafetensorsType type)
    {
        SafetensorsEntry entry = file.Find(name);
        return entry.Type == type && entry.Shape.Count == 2 ? entry : throw new InvalidFileException(
            file.Path, $"{name} is {SafetensorsTypes.NameOf(entry.Type)} {entry.ShapeText}; it must be a matrix of {SafetensorsTypes.NameOf(type)}",
            "use a checkpoint of GPTQ or AWQ with 4-bit weights");
    }

    private static void CheckOrder(SafetensorsFile file, string name, int inputs, int group)
    {
        if (!file.Tensors.TryGetValue($"{name}.g_idx", out SafetensorsEntry? entry))
        {
            return;
        }

        ReadOnlySpan<int> indices = entry.Type == SafetensorsType.I32 ? Data<int>(file, entry) : [];
        bool inOrder = indices.Length == inputs;
        for (int i = 0; i < indices.Length && inOrder; i++)
        {
            inOrder = indices[i] == i / group;
        }

        if (!inOrder)
        {
            throw new InvalidFileException(
                file.Path, $"{entry.Name} does not put the inputs into groups of {group} in their order", "use a checkpoint made with desc_act = false");
        }
    }

    private static ReadOnlySpan<T> Data<T>(SafetensorsFile file, SafetensorsEntry entry)
        where T : unmanaged =>
        MemoryMarshal.Cast<byte, T>(file.Bytes(entry, 0, checked((int)entry.ByteLength)));
}

using AiOs.Models.Formats;
using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Modules;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Checkpoints;

/// <summary>
/// The weights of a <see cref="Gpt"/> in safetensors files with the names of Hugging Face's GPT-2, so that they move
/// both ways.
/// </summary>
public static class GptWeights
{
    private const string Prefix = "transformer.";
    private const string TiedHead = "lm_head.weight";

    /// <summary>Writes the weights atomically.</summary>
    /// <exception cref="AiOsException">The file cannot be written; nothing is left behind.</exception>
    public static void Save(Gpt model, string path, Stream stream) =>
        SafetensorsWriter.Write(path, Items(model, stream), Metadata);

    /// <summary>Overwrites the weights of a model with those of a file.</summary>
    /// <param name="model">The model.</param>
    /// <param name="path">A file with or without the "transformer." prefix; F32, F16 or BF16.</param>
    /// <param name="stream">The stream of the model.</param>
    /// <exception cref="InvalidFileException">The file is broken or holds another model; the weights stay as they were.</exception>
    public static void Load(Gpt model, string path, Stream stream)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Load(model, file, stream);
    }

    /// <summary>
    /// The shape of the model a file holds: from `config.json` beside it, or else from the shapes of its tensors.
    /// </summary>
    /// <param name="path">A file of weights.</param>
    /// <param name="heads">Heads, for a file without `config.json`, because no shape tells them.</param>
    /// <exception cref="InvalidFileException">The file does not hold a GPT-2, or the heads are not known.</exception>
    public static GptConfig ReadConfig(string path, int? heads = null)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        return ConfigOf(file, heads);
    }

    internal static GptConfig ConfigOf(SafetensorsFile file, int? heads)
    {
        string config = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file.Path))!, HuggingFaceConfig.Name);
        if (File.Exists(config))
        {
            return HuggingFaceConfig.Read(config);
        }

        return Infer(file, heads ?? throw new InvalidFileException(
            file.Path, "there is no config.json beside it and no shape tells the number of heads", "put config.json there or give --heads"));
    }

    private static GptConfig Infer(SafetensorsFile file, int heads)
    {
        IReadOnlyList<long> tokens = Matrix(file, "wte.weight"), positions = Matrix(file, "wpe.weight");
        int layers = 0;
        while (TryFind(file, $"{Prefix}h.{layers}.ln_1.weight") is not null)
        {
            layers++;
        }

        bool tooLarge = new[] { tokens[0], tokens[1], positions[0] }.Any(n => n is < 1 or > int.MaxValue);
        if (layers == 0 || tooLarge || heads < 1 || tokens[1] % heads != 0)
        {
            throw new InvalidFileException(
                file.Path, $"{layers} layers of width {tokens[1]} with {heads} heads make no GPT-2", "use a file of GPT-2 weights and its number of heads");
        }

        return new GptConfig
        {
            Layers = layers,
            Heads = heads,
            Embd = (int)tokens[1],
            Block = (int)positions[0],
            Vocab = (int)tokens[0],
        };
    }

    internal static IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string> { ["format"] = "pt" };

    internal static IReadOnlyList<SafetensorsItem> Items(Gpt model, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(model);
        return [.. model.Parameters.Select(p => TensorItems.Of(p.Name, p.Value, stream))];
    }

    /// <summary>The type a model of the file's weights has: BF16 when they are, else F32.</summary>
    internal static DType DTypeOf(SafetensorsFile file) =>
        TryFind(file, Prefix + "wte.weight")?.Type == SafetensorsType.BF16 ? DType.BF16 : DType.F32;

    /// <summary>Overwrites the weights and, where a parameter has a binary32 master, that.</summary>
    internal static void Load(Gpt model, SafetensorsFile file, Stream stream, IReadOnlyList<Tensor>? masters = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        var known = new Dictionary<string, Parameter>(StringComparer.Ordinal);
        var pairs = new List<(SafetensorsEntry Entry, Parameter Parameter)>();
        foreach (Parameter parameter in model.Parameters)
        {
            SafetensorsEntry entry = TryFind(file, parameter.Name) ?? throw new InvalidFileException(
                file.Path, $"there is no tensor '{parameter.Name}'", "use weights of a GPT-2 of this shape");
            CheckLoadable(file, entry, parameter);
            pairs.Add((entry, parameter));
            known.Add(entry.Name, parameter);
        }

        // Everything is checked before the first value changes.
        foreach (SafetensorsEntry entry in file.Tensors.Values)
        {
            bool buffer = entry.Name.EndsWith(".attn.bias", StringComparison.Ordinal) ||
                entry.Name.EndsWith(".attn.masked_bias", StringComparison.Ordinal);
            if (!known.ContainsKey(entry.Name) && !buffer && entry.Name != TiedHead)
            {
                throw new InvalidFileException(
                    file.Path, $"tensor {PrintableText.Quote(entry.Name)} has no place in a GPT-2 of {model.Config.Layers} layers",
                    "use weights of a GPT-2 of this shape");
            }
        }

        for (int i = 0; i < pairs.Count; i++)
        {
            (SafetensorsEntry entry, Parameter parameter) = pairs[i];
            TensorItems.Load(file, entry, parameter.Value, stream);
            if (masters is not null && !masters[i].IsNull)
            {
                TensorItems.Load(file, entry, masters[i], stream);
            }
        }
    }

    private static void CheckLoadable(SafetensorsFile file, SafetensorsEntry entry, Parameter parameter)
    {
        TensorItems.CheckShape(file, entry, parameter.Value);
        if (entry.Type is not (SafetensorsType.F32 or SafetensorsType.F16 or SafetensorsType.BF16))
        {
            throw new InvalidFileException(
                file.Path, $"tensor {PrintableText.Quote(entry.Name)} is {SafetensorsTypes.NameOf(entry.Type)}, not a float type that can be read",
                "convert it to F32, F16 or BF16");
        }
    }

    private static SafetensorsEntry? TryFind(SafetensorsFile file, string name) =>
        file.Tensors.TryGetValue(name, out SafetensorsEntry? entry) ||
        file.Tensors.TryGetValue(name[Prefix.Length..], out entry) ? entry : null;

    private static IReadOnlyList<long> Matrix(SafetensorsFile file, string name) =>
        TryFind(file, Prefix + name) is { Shape.Count: 2 } entry ? entry.Shape : throw new InvalidFileException(
            file.Path, $"there is no matrix '{name}'", "use a file of GPT-2 weights");
}

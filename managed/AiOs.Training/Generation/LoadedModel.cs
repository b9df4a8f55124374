using AiOs.Models.Formats;
using AiOs.Models.Tokenizers;
using AiOs.Runtime;
using AiOs.Training.Checkpoints;
using AiOs.Training.Modules;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Generation;

/// <summary>A model read from the disk, with the tokenizer that came with it.</summary>
public sealed class LoadedModel : IDisposable
{
    private LoadedModel(Gpt model, ITokenizer? tokenizer, string weights) =>
        (Model, Tokenizer, WeightsPath) = (model, tokenizer, weights);

    /// <summary>The model, not training; BF16 when its weights are stored so, else F32.</summary>
    public Gpt Model { get; }

    /// <summary>The tokenizer beside the weights; null when there is none.</summary>
    public ITokenizer? Tokenizer { get; }

    /// <summary>The file the weights came from.</summary>
    public string WeightsPath { get; }

    /// <summary>Loads a model.</summary>
    /// <param name="path">
    /// A run's output directory (its newest undamaged checkpoint is taken), a checkpoint, a directory of a Hugging Face
    /// GPT-2, or a file of weights with or without `config.json` beside it.
    /// </param>
    /// <param name="stream">The stream of the model.</param>
    /// <param name="heads">Attention heads, for weights without `config.json`.</param>
    /// <exception cref="AiOsException">There is no model, or it is damaged or of another kind.</exception>
    public static LoadedModel Open(string path, Stream stream, int? heads = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(stream);
        string weights = FindWeights(path);
        string directory = Path.GetDirectoryName(Path.GetFullPath(weights))!;
        using SafetensorsFile file = SafetensorsFile.Open(weights);
        GptConfig shape = GptWeights.ConfigOf(file, heads);
        ITokenizer? tokenizer = TokenizerFiles.TryLoad(directory);
        var model = Gpt.WithoutWeights(stream, shape, GptWeights.DTypeOf(file));
        try
        {
            GptWeights.Load(model, file, stream);
            model.Training = false;
            return new LoadedModel(model, tokenizer, weights);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Frees the model.</summary>
    public void Dispose() => Model.Dispose();

    private static string FindWeights(string path)
    {
        if (!Directory.Exists(path))
        {
            return path;
        }

        string weights = Path.Combine(path, Checkpoint.ModelName);
        bool plain = File.Exists(weights) && !File.Exists(Path.Combine(path, Manifest.Name));
        return plain ? weights : Path.Combine(Checkpoint.Find(path).Directory, Checkpoint.ModelName);
    }
}

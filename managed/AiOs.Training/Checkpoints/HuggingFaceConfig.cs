using System.Text.Json;
using System.Text.Json.Serialization;
using AiOs.Models.Formats;
using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Modules;
using Stream = System.IO.Stream;

namespace AiOs.Training.Checkpoints;

/// <summary>The `config.json` of a GPT-2 as Hugging Face's library reads and writes it.</summary>
internal sealed record HuggingFaceConfig
{
    public const string Name = "config.json";

    private const string Gelu = "gelu_new";
    private const double Epsilon = 1e-5;
    private const int MaxBytes = 1 << 20;

    public string? ModelType { get; init; }

    public string[]? Architectures { get; init; }

    [JsonPropertyName("n_layer")]
    public int Layers { get; init; }

    [JsonPropertyName("n_head")]
    public int Heads { get; init; }

    [JsonPropertyName("n_embd")]
    public int Embd { get; init; }

    [JsonPropertyName("n_positions")]
    public int Positions { get; init; }

    [JsonPropertyName("n_ctx")]
    public int? Context { get; init; }

    [JsonPropertyName("n_inner")]
    public int? Inner { get; init; }

    [JsonPropertyName("vocab_size")]
    public int Vocab { get; init; }

    [JsonPropertyName("activation_function")]
    public string? Activation { get; init; }

    [JsonPropertyName("layer_norm_epsilon")]
    public double? LayerNormEpsilon { get; init; }

    [JsonPropertyName("embd_pdrop")]
    public float? EmbeddingDropout { get; init; }

    [JsonPropertyName("resid_pdrop")]
    public float? ResidualDropout { get; init; }

    [JsonPropertyName("attn_pdrop")]
    public float? AttentionDropout { get; init; }

    public bool? TieWordEmbeddings { get; init; }

    public string? TorchDtype { get; init; }

    public static void Write(Stream stream, GptConfig config, DType dtype = DType.F32) => JsonSerializer.Serialize(
        stream,
        new HuggingFaceConfig
        {
            ModelType = "gpt2",
            Architectures = ["GPT2LMHeadModel"],
            Layers = config.Layers,
            Heads = config.Heads,
            Embd = config.Embd,
            Positions = config.Block,
            Context = config.Block,
            Vocab = config.Vocab,
            Activation = Gelu,
            LayerNormEpsilon = Epsilon,
            EmbeddingDropout = config.Dropout,
            ResidualDropout = config.Dropout,
            AttentionDropout = 0,
            TieWordEmbeddings = true,
            TorchDtype = dtype == DType.BF16 ? "bfloat16" : "float32",
        },
        CheckpointJson.Default.HuggingFaceConfig);

    /// <exception cref="InvalidFileException">The file describes no GPT-2 that this library computes.</exception>
    public static GptConfig Read(string path)
    {
        HuggingFaceConfig config = JsonFile.Read(path, MaxBytes, CheckpointJson.Default.HuggingFaceConfig);
        string? unusable =
            config.ModelType is not (null or "gpt2") ? $"model_type {PrintableText.Quote(config.ModelType)}" :
            config.Activation is not (null or Gelu or "gelu_pytorch_tanh") ? $"activation_function {PrintableText.Quote(config.Activation)}" :
            config.LayerNormEpsilon is { } epsilon && epsilon != Epsilon ? $"layer_norm_epsilon {epsilon}" :
            config.Inner is { } inner && inner != 4 * config.Embd ? $"n_inner {inner}" :
            config.TieWordEmbeddings is false ? "an output projection that is not tied" : null;
        if (unusable is not null)
        {
            throw new InvalidFileException(path, $"{unusable} is not supported", "use a GPT-2 model");
        }

        var result = new GptConfig
        {
            Layers = config.Layers,
            Heads = config.Heads,
            Embd = config.Embd,
            Block = config.Positions,
            Vocab = config.Vocab,
            Dropout = config.ResidualDropout ?? 0,
        };
        try
        {
            result.Validate();
        }
        catch (AiOsException e)
        {
            throw new InvalidFileException(path, $"it describes an impossible model ({e.Message.Split(';')[0]})", "restore the file");
        }

        return result;
    }
}

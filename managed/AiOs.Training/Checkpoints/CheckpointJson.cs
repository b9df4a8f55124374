using System.Text.Json.Serialization;

namespace AiOs.Training.Checkpoints;

/// <summary>Source-generated JSON of the checkpoint's small files.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, UseStringEnumConverter = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(Manifest))]
[JsonSerializable(typeof(TrainerState))]
[JsonSerializable(typeof(HuggingFaceConfig))]
internal sealed partial class CheckpointJson : JsonSerializerContext;

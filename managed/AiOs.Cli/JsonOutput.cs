using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace AiOs.Cli;

/// <summary>Prints results as JSON: indented, snake_case names, text as it is.</summary>
internal static class JsonOutput
{
    private static readonly JsonContext Context = new(new JsonSerializerOptions
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    });

    /// <summary>Writes one document and a line end.</summary>
    public static void Write<T>(TextWriter writer, T value) =>
        writer.WriteLine(JsonSerializer.Serialize(value, (JsonTypeInfo<T>)Context.GetTypeInfo(typeof(T))!));
}

/// <summary>The documents of all commands, for the source generator: no reflection, safe to trim and to compile ahead of time.</summary>
[JsonSerializable(typeof(Commands.DevicesDocument))]
[JsonSerializable(typeof(Commands.DoctorDocument))]
[JsonSerializable(typeof(Runs.TrainDocument))]
[JsonSerializable(typeof(Commands.GenerateDocument))]
[JsonSerializable(typeof(Commands.MemoryDocument))]
internal sealed partial class JsonContext : JsonSerializerContext;

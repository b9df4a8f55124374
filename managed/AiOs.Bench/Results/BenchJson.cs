using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using AiOs.Runtime;

namespace AiOs.Bench.Results;

/// <summary>Results as JSON: an array with one object per case, names in snake_case.</summary>
public static class BenchJson
{
    private static readonly BenchJsonContext Context = new(new JsonSerializerOptions
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DictionaryKeyPolicy = null,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    /// <summary>The document.</summary>
    /// <param name="results">The cases.</param>
    public static string Write(IReadOnlyList<BenchResult> results) => JsonSerializer.Serialize(results, Context.IReadOnlyListBenchResult) + "\n";

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidFileException">It is missing or no such document.</exception>
    public static IReadOnlyList<BenchResult> Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllText(path), Context.IReadOnlyListBenchResult) ?? [];
        }
        catch (JsonException e)
        {
            throw new InvalidFileException(path, $"it is not a result of 'aios bench --json' ({e.Message})", "make it again with --json");
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InvalidFileException(path, "there is no such file", "make it with 'aios bench --json'");
        }
    }
}

/// <summary>For the source generator: no reflection, safe to trim and to compile ahead of time.</summary>
[JsonSerializable(typeof(IReadOnlyList<BenchResult>))]
internal sealed partial class BenchJsonContext : JsonSerializerContext;

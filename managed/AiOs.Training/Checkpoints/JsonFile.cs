using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using AiOs.Models.Formats;
using AiOs.Runtime;

namespace AiOs.Training.Checkpoints;

/// <summary>Reads small JSON files.</summary>
internal static class JsonFile
{
    /// <exception cref="InvalidFileException">The file is missing, too long, or does not hold a <typeparamref name="T"/>.</exception>
    public static T Read<T>(string path, int maxBytes, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            long length = FileAccessErrors.LengthOfReadable(path);
            if (length > maxBytes)
            {
                throw new InvalidFileException(path, $"{length} bytes are more than the {maxBytes} this kind of file may have", "restore the file");
            }

            return JsonSerializer.Deserialize(File.ReadAllBytes(path), type) ??
                throw new InvalidFileException(path, "it holds null", "restore the file");
        }
        catch (JsonException e)
        {
            string where = e.Path is { Length: > 1 } at ? $" at {PrintableText.Quote(at)}" : string.Empty;
            throw new InvalidFileException(path, $"not the JSON it should be{where}", "restore the file");
        }
        catch (Exception e) when (FileAccessErrors.IsExpected(e))
        {
            throw FileAccessErrors.CannotRead(path, e);
        }
    }
}

using System.Security.Cryptography;
using AiOs.Models.Formats;
using AiOs.Runtime;

namespace AiOs.Training.Checkpoints;

/// <summary>A complete checkpoint on the disk, every file of which has the hash that its manifest says.</summary>
public sealed class Checkpoint
{
    /// <summary>Weights, in the form of Hugging Face's GPT-2.</summary>
    public const string ModelName = "model.safetensors";

    internal const string OptimizerName = "optimizer.safetensors";
    internal const string TrainerName = "trainer.json";

    private const int MaxJsonBytes = 16 << 20;
    private const string Fix = "use another checkpoint or train again";

    private Checkpoint(string directory, TrainerState state) => (Directory, State) = (directory, state);

    /// <summary>The directory.</summary>
    public string Directory { get; }

    /// <summary>Where the run was.</summary>
    public TrainerState State { get; }

    /// <summary>Opens a checkpoint after checking every file.</summary>
    /// <exception cref="InvalidFileException">It is not complete or not what was written.</exception>
    public static Checkpoint Open(string directory)
    {
        Manifest manifest = JsonFile.Read(
            Path.Combine(directory, Manifest.Name), MaxJsonBytes, CheckpointJson.Default.Manifest);
        if (manifest.Format != Manifest.CurrentFormat)
        {
            throw new InvalidFileException(directory, $"its format {manifest.Format} is not {Manifest.CurrentFormat}", "use the version of aios that made it");
        }

        foreach (string name in new[] { ModelName, OptimizerName, TrainerName, HuggingFaceConfig.Name })
        {
            if (!manifest.Files.ContainsKey(name))
            {
                throw new InvalidFileException(directory, $"its manifest does not list {name}", Fix);
            }
        }

        foreach ((string name, ManifestEntry entry) in manifest.Files)
        {
            CheckFile(directory, name, entry);
        }

        TrainerState state = JsonFile.Read(
            Path.Combine(directory, TrainerName), MaxJsonBytes, CheckpointJson.Default.TrainerState);
        state.Options.Validate();
        return new Checkpoint(directory, state);
    }

    /// <summary>
    /// Opens the checkpoint a user means: a checkpoint's directory, or a run's output directory, whose newest
    /// undamaged checkpoint is taken.
    /// </summary>
    /// <exception cref="InvalidFileException">There is none.</exception>
    public static Checkpoint Find(string path)
    {
        if (!System.IO.Directory.Exists(path))
        {
            throw new InvalidFileException(
                path, File.Exists(path) ? "this is a file, not a directory" : "no such directory", "name the --out directory of a run or one of its checkpoints");
        }

        if (CheckpointStore.IsOutDirectory(path))
        {
            return new CheckpointStore(path).OpenLatest();
        }

        return File.Exists(Path.Combine(path, Manifest.Name)) ? Open(path) : throw new InvalidFileException(
            path, "there is no checkpoint in it", "name the --out directory of a run or one of its checkpoints");
    }

    private static void CheckFile(string directory, string name, ManifestEntry entry)
    {
        string path = Path.Combine(directory, name);
        if (Path.GetFileName(name) != name)
        {
            throw new InvalidFileException(directory, $"its manifest lists {PrintableText.Quote(name)}, which is no file of it", Fix);
        }

        try
        {
            long length = FileAccessErrors.LengthOfReadable(path);
            if (length != entry.Bytes)
            {
                throw new InvalidFileException(path, $"{length} bytes instead of {entry.Bytes}", Fix);
            }

            using FileStream stream = File.OpenRead(path);
            if (Convert.ToHexStringLower(SHA256.HashData(stream)) != entry.Sha256)
            {
                throw new InvalidFileException(path, "its content is not what was written", Fix);
            }
        }
        catch (Exception e) when (FileAccessErrors.IsExpected(e))
        {
            throw FileAccessErrors.CannotRead(path, e);
        }
    }
}

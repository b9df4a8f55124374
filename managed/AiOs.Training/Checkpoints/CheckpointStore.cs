using System.Globalization;
using System.Text;
using AiOs.Models.Formats;
using AiOs.Runtime;

namespace AiOs.Training.Checkpoints;

/// <summary>
/// The checkpoints of a run: `checkpoints/step-NNNNNNNN` in its output directory, and a file `latest` with the name of
/// the newest.
/// </summary>
public sealed class CheckpointStore
{
    internal const string TemporaryPrefix = ".incomplete-";

    private const string Folder = "checkpoints";
    private const string LatestName = "latest";
    private const string StepPrefix = "step-";
    private const int Kept = 2;

    private readonly string _out;
    private readonly string _folder;

    /// <summary>Names the checkpoints of an output directory; nothing is read or written yet.</summary>
    public CheckpointStore(string outDirectory)
    {
        ArgumentException.ThrowIfNullOrEmpty(outDirectory);
        _out = Path.GetFullPath(outDirectory);
        _folder = Path.Combine(_out, Folder);
    }

    /// <summary>True when a directory has checkpoints inside rather than being one.</summary>
    internal static bool IsOutDirectory(string path) =>
        !File.Exists(Path.Combine(path, Manifest.Name)) && Directory.Exists(Path.Combine(path, Folder));

    /// <summary>
    /// Makes the directory and proves that it can be written to, so that a run fails at its start and not at its first
    /// checkpoint; clears away what an earlier run that was killed left half-written.
    /// </summary>
    /// <exception cref="AiOsException">The directory cannot be made or written to.</exception>
    public void Prepare()
    {
        // What is made here just to try is taken away again.
        bool hadOut = Directory.Exists(_out), hadFolder = Directory.Exists(_folder);
        try
        {
            Directory.CreateDirectory(_folder);
            string probe = Path.Combine(_folder, TemporaryPrefix + Guid.NewGuid().ToString("n"));
            File.WriteAllText(probe, "aios");
            File.Delete(probe);
            foreach (string left in Directory.EnumerateFileSystemEntries(_folder, TemporaryPrefix + "*"))
            {
                TryDelete(left);
            }
        }
        catch (Exception e) when (FileAccessErrors.IsExpected(e))
        {
            if (!hadFolder)
            {
                TryDelete(hadOut ? _folder : _out);
            }

            throw FileAccessErrors.CannotWrite(_out, e);
        }
    }

    /// <summary>The checkpoint that `latest` names or, when that is damaged, the newest that is not.</summary>
    /// <exception cref="InvalidFileException">There is no usable checkpoint; the message is the first one's.</exception>
    public Checkpoint OpenLatest()
    {
        AiOsException? first = null;
        string? latest = ReadLatest();
        foreach (string directory in NewestFirst().OrderByDescending(d => Path.GetFileName(d) == latest))
        {
            try
            {
                return Checkpoint.Open(directory);
            }
            catch (AiOsException e)
            {
                // A torn checkpoint is what the one before it is kept for.
                first ??= e;
            }
        }

        throw first ?? new InvalidFileException(_out, "there is no checkpoint in it", "name the --out directory of a run that saved one");
    }

    /// <summary>True when a checkpoint is one of this store's.</summary>
    internal bool Holds(Checkpoint checkpoint) => Path.GetDirectoryName(Path.GetFullPath(checkpoint.Directory)) == _folder;

    /// <summary>Writes the checkpoint of a step, points `latest` at it, and removes what is no longer needed.</summary>
    /// <param name="step">Steps done.</param>
    /// <param name="continues">
    /// True when the checkpoints of earlier steps are of this run: the one before is kept, and those of later steps, which
    /// the run is about to do again, go. False when all others are of a run that this one replaces.
    /// </param>
    /// <param name="write">Adds the files.</param>
    /// <returns>The checkpoint's directory.</returns>
    internal string Save(long step, bool continues, Action<CheckpointWriter> write)
    {
        string name = StepPrefix + step.ToString("d8", CultureInfo.InvariantCulture);
        string target = Path.Combine(_folder, name);
        try
        {
            Directory.CreateDirectory(_folder);
        }
        catch (Exception e) when (FileAccessErrors.IsExpected(e))
        {
            throw FileAccessErrors.CannotWrite(target, e);
        }

        CheckpointWriter.Write(target, write);
        DurableFile.Write(Path.Combine(_out, LatestName), s => s.Write(Encoding.UTF8.GetBytes(name + "\n")));
        string[] kept = [.. NewestFirst().Where(d => StepOf(d) <= step).Take(continues ? Kept : 1)];
        foreach (string old in NewestFirst().Except(kept))
        {
            TryDelete(old);
        }

        return target;
    }

    internal static void TryDelete(string path)
    {
        try
        {
            if (Directory.Exists(path))
            {
                Directory.Delete(path, recursive: true);
            }
            else
            {
                File.Delete(path);
            }
        }
        catch (Exception e) when (FileAccessErrors.IsExpected(e))
        {
            // A leftover costs space, not correctness; the next run tries again.
        }
    }

    private string? ReadLatest()
    {
        try
        {
            return File.ReadAllText(Path.Combine(_out, LatestName)).TrimEnd();
        }
        catch (Exception e) when (FileAccessErrors.IsExpected(e))
        {
            return null;
        }
    }

    private IEnumerable<string> NewestFirst() => !Directory.Exists(_folder) ? [] :
        Directory.GetDirectories(_folder, StepPrefix + "*")
            .Select(d => (Directory: d, Step: StepOf(d)))
            .Where(d => d.Step >= 0)
            .OrderByDescending(d => d.Step)
            .Select(d => d.Directory);

    private static long StepOf(string directory) =>
        long.TryParse(
            Path.GetFileName(directory)[StepPrefix.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out long step) ? step : -1;
}

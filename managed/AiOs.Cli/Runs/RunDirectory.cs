using System.Globalization;
using AiOs.Models.Formats;

namespace AiOs.Cli.Runs;

/// <summary>
/// The --out directory of a run. Checkpoints of an earlier run that the new one would mix with are set aside, and
/// come back when the new run fails before its first checkpoint; what was made for nothing is taken away.
/// </summary>
internal sealed class RunDirectory
{
    private const string Checkpoints = "checkpoints";
    private const string Previous = "checkpoints.previous";
    private const string Latest = "latest";
    private const string StepPrefix = "step-";

    private readonly bool _existed;
    private readonly List<(string From, string To)> _setAside = [];

    private RunDirectory(string path, bool existed) => (Path, _existed) = (path, existed);

    /// <summary>The directory.</summary>
    public string Path { get; }

    /// <summary>The numbers behind the report.</summary>
    public string History => System.IO.Path.Combine(Path, "history.jsonl");

    /// <summary>The report.</summary>
    public string Report => System.IO.Path.Combine(Path, "report.html");

    /// <summary>True when checkpoints of an earlier run were set aside.</summary>
    public bool ReplacesARun => _setAside.Count > 0;

    /// <summary>Makes the directory and sets aside the checkpoints of steps after <paramref name="done"/>.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="done">Steps the run has done; -1 for a new run, which sets everything aside.</param>
    public static RunDirectory Open(string path, long done)
    {
        bool existed = Directory.Exists(path);
        try
        {
            Directory.CreateDirectory(path);
            RunDirectory run = new(path, existed);
            run.SetAside(done);
            return run;
        }
        catch (Exception e) when (FileAccessErrors.IsExpected(e))
        {
            throw FileAccessErrors.CannotWrite(path, e);
        }
    }

    /// <summary>Undoes what was made for a run that failed without a checkpoint. Never throws.</summary>
    public void Abandon()
    {
        try
        {
            string checkpoints = Inside(Checkpoints);
            if (Directory.Exists(checkpoints) && Directory.EnumerateDirectories(checkpoints, StepPrefix + "*").Any())
            {
                return;
            }

            File.Delete(History);
            foreach ((string from, string to) in _setAside)
            {
                Directory.CreateDirectory(checkpoints);
                Directory.Move(to, from);
            }

            foreach (string made in new[] { checkpoints, Inside(Previous), _existed ? string.Empty : Path })
            {
                if (Directory.Exists(made) && !Directory.EnumerateFileSystemEntries(made).Any())
                {
                    Directory.Delete(made);
                }
            }
        }
        catch (Exception e) when (FileAccessErrors.IsExpected(e))
        {
            // The error of the run says more than one about tidying up after it.
        }
    }

    private void SetAside(long done)
    {
        string[] later = Directory.Exists(Inside(Checkpoints))
            ? [.. Directory.GetDirectories(Inside(Checkpoints), StepPrefix + "*").Where(d => StepOf(d) > done)]
            : [];
        if (later.Length == 0)
        {
            return;
        }

        if (Directory.Exists(Inside(Previous)))
        {
            Directory.Delete(Inside(Previous), recursive: true);
        }

        Directory.CreateDirectory(Inside(Previous));
        foreach (string from in later)
        {
            string to = System.IO.Path.Combine(Inside(Previous), System.IO.Path.GetFileName(from));
            Directory.Move(from, to);
            _setAside.Add((from, to));
        }

        File.Delete(Inside(Latest));
    }

    private static long StepOf(string directory) =>
        long.TryParse(System.IO.Path.GetFileName(directory)[StepPrefix.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out long step)
            ? step
            : long.MaxValue;

    private string Inside(string name) => System.IO.Path.Combine(Path, name);
}

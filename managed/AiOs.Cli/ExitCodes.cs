namespace AiOs.Cli;

/// <summary>What the command tells the shell.</summary>
internal static class ExitCodes
{
    /// <summary>Done. A training run that was interrupted and saved its checkpoint counts as done.</summary>
    public const int Ok = 0;

    /// <summary>The command line was right and something it needs was not: a file, a device, memory, the disk.</summary>
    public const int Failed = 1;

    /// <summary>The command line is wrong: an unknown option, a value out of range, options that contradict each other
    /// or the checkpoint or weights they name.</summary>
    public const int Usage = 2;

    /// <summary>A second Ctrl-C ended the process at once (128 + SIGINT, as shells count).</summary>
    public const int Aborted = 130;
}

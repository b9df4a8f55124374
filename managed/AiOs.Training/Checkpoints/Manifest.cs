namespace AiOs.Training.Checkpoints;

/// <summary>What a checkpoint consists of; written last, so that a checkpoint without it is none.</summary>
internal sealed record Manifest
{
    public const string Name = "manifest.json";
    public const int CurrentFormat = 1;

    /// <summary>Version of the checkpoint's layout.</summary>
    public required int Format { get; init; }

    /// <summary>Every other file of the directory.</summary>
    public required Dictionary<string, ManifestEntry> Files { get; init; }
}

/// <summary>One file of a checkpoint.</summary>
/// <param name="Sha256">SHA-256 of its content in lower-case hexadecimal.</param>
/// <param name="Bytes">Its length.</param>
internal sealed record ManifestEntry(string Sha256, long Bytes);

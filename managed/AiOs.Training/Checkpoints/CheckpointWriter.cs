using System.Security.Cryptography;
using System.Text.Json;
using AiOs.Models.Formats;
using AiOs.Runtime;
using Stream = System.IO.Stream;

namespace AiOs.Training.Checkpoints;

/// <summary>
/// Writes the files of a checkpoint to a temporary directory, each flushed to the disk and hashed on its way, then the
/// manifest, and renames the directory to its final name. Whatever happens before the rename leaves no checkpoint.
/// </summary>
internal sealed class CheckpointWriter
{
    private readonly string _directory;
    private readonly Dictionary<string, ManifestEntry> _files = new(StringComparer.Ordinal);

    private CheckpointWriter(string directory) => _directory = directory;

    /// <summary>Makes the checkpoint <paramref name="target"/> of the files that <paramref name="write"/> adds.</summary>
    /// <exception cref="AiOsException">It cannot be written; nothing is left behind.</exception>
    public static void Write(string target, Action<CheckpointWriter> write)
    {
        string parent = Path.GetDirectoryName(target)!;
        string temporary = Path.Combine(parent, CheckpointStore.TemporaryPrefix + Guid.NewGuid().ToString("n"));
        try
        {
            Directory.CreateDirectory(temporary);
            var writer = new CheckpointWriter(temporary);
            write(writer);
            writer.WriteManifest();
            DurableFile.FlushDirectory(temporary);
            if (Directory.Exists(target))
            {
                // The same step saved again holds the same bits; what is there may be damaged.
                Directory.Delete(target, recursive: true);
            }

            Directory.Move(temporary, target);
            DurableFile.FlushDirectory(parent);
        }
        catch (Exception e)
        {
            CheckpointStore.TryDelete(temporary);
            if (FileAccessErrors.IsExpected(e))
            {
                throw FileAccessErrors.CannotWrite(target, e);
            }

            throw;
        }
    }

    /// <summary>Adds a file.</summary>
    public void Add(string name, Action<Stream> write)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long length = 0;
        DurableFile.Create(Path.Combine(_directory, name), stream =>
        {
            using var hashing = new HashingStream(stream, hash);
            write(hashing);
            length = hashing.Written;
        });
        _files.Add(name, new ManifestEntry(Convert.ToHexStringLower(hash.GetHashAndReset()), length));
    }

    private void WriteManifest()
    {
        var manifest = new Manifest { Format = Manifest.CurrentFormat, Files = _files };
        DurableFile.Create(
            Path.Combine(_directory, Manifest.Name),
            stream => JsonSerializer.Serialize(stream, manifest, CheckpointJson.Default.Manifest));
    }

    /// <summary>Passes writes on and hashes them.</summary>
    private sealed class HashingStream(Stream inner, IncrementalHash hash) : Stream
    {
        public long Written { get; private set; }

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => Written;

        public override long Position { get => Written; set => throw new NotSupportedException(); }

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            hash.AppendData(buffer);
            inner.Write(buffer);
            Written += buffer.Length;
        }
    }
}

using System.Diagnostics;
using System.Text.Json;
using AiOs.Models.Tokenizers;
using AiOs.Runtime;
using AiOs.Tests;
using AiOs.Training.Checkpoints;
using FsCheck;
using FsCheck.Fluent;

namespace AiOs.Training.Tests;

public sealed class CheckpointTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void TheLastTwoAreKeptAndLatestNamesTheNewest()
    {
        Recorder recorder = Train(Fixtures.TinyRun with { SaveEvery = 2, Steps = 7 });
        Assert.Equal(["step-00000002", "step-00000004", "step-00000006", "step-00000007"], recorder.Checkpoints.Select(Path.GetFileName));
        Assert.Equal(["step-00000006", "step-00000007"], Directory.GetDirectories(_directory.File("checkpoints")).Select(Path.GetFileName).Order());
        Assert.Equal("step-00000007\n", File.ReadAllText(_directory.File("latest")));
        Checkpoint checkpoint = Checkpoint.Find(_directory.Path);
        Assert.Equal(7, checkpoint.State.Step);
        Assert.Equal(Fixtures.TinyRun.Seed, checkpoint.State.Options.Seed);
        Assert.Equal(
            ["config.json", "manifest.json", "model.safetensors", "optimizer.safetensors", "tokenizer_config.json", "trainer.json"],
            Directory.GetFiles(checkpoint.Directory).Select(Path.GetFileName).Order());
        Assert.Equal(checkpoint.State.Step, Checkpoint.Open(checkpoint.Directory).State.Step);
    }

    [Fact]
    public void TheConfigurationIsHuggingFaces()
    {
        Train(Fixtures.TinyRun);
        using JsonDocument config = JsonDocument.Parse(File.ReadAllText(Path.Combine(Checkpoint.Find(_directory.Path).Directory, "config.json")));
        (string, int)[] expected = [("n_layer", 2), ("n_head", 2), ("n_embd", 16), ("n_positions", 8), ("vocab_size", 29)];
        Assert.All(expected, x => Assert.Equal(x.Item2, config.RootElement.GetProperty(x.Item1).GetInt32()));
        Assert.Equal("gpt2", config.RootElement.GetProperty("model_type").GetString());
        Assert.Equal("gelu_new", config.RootElement.GetProperty("activation_function").GetString());
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("optimizer.safetensors")]
    [InlineData("trainer.json")]
    [InlineData("config.json")]
    [InlineData("manifest.json")]
    public void ATornCheckpointGivesWayToTheOneBefore(string file)
    {
        Recorder recorder = Train(Fixtures.TinyRun with { SaveEvery = 4 });
        string newest = recorder.Checkpoints[^1], torn = Path.Combine(newest, file);

        byte[] bytes = File.ReadAllBytes(torn);
        bytes[bytes.Length / 2] ^= 0x10;
        File.WriteAllBytes(torn, bytes);
        Assert.Equal(4, Checkpoint.Find(_directory.Path).State.Step);
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => Checkpoint.Open(newest));
        Assert.DoesNotContain('\n', e.Message);

        File.WriteAllBytes(torn, bytes[..(bytes.Length / 2)]);
        Assert.Equal(4, Checkpoint.Find(_directory.Path).State.Step);

        File.Delete(torn);
        Assert.Equal(4, Checkpoint.Find(_directory.Path).State.Step);
    }

    [Fact]
    public void AHalfWrittenCheckpointIsClearedAwayAndNeverFound()
    {
        Train(Fixtures.TinyRun with { Steps = 2 });
        string left = _directory.File("checkpoints/.incomplete-123");
        Directory.CreateDirectory(left);
        File.WriteAllText(Path.Combine(left, "model.safetensors"), "half");
        Assert.Equal(2, Checkpoint.Find(_directory.Path).State.Step);
        Train(Fixtures.TinyRun with { Steps = 3 });
        Assert.False(Directory.Exists(left));
    }

    [Fact]
    public void ANewRunReplacesTheCheckpointsOfTheOneBefore()
    {
        Train(Fixtures.TinyRun with { Steps = 8, SaveEvery = 4 });
        Train(Fixtures.TinyRun with { Steps = 6, SaveEvery = 5, Seed = 77 });
        Assert.Equal(["step-00000005", "step-00000006"], Directory.GetDirectories(_directory.File("checkpoints")).Select(Path.GetFileName).Order());
        Assert.Equal(77UL, Checkpoint.Find(_directory.Path).State.Options.Seed);
    }

    [Fact]
    public void LatestDecidesUnlessWhatItNamesIsGone()
    {
        Train(Fixtures.TinyRun with { SaveEvery = 4 });
        File.WriteAllText(_directory.File("latest"), "step-00000004\n");
        Assert.Equal(4, Checkpoint.Find(_directory.Path).State.Step);
        foreach (string other in new[] { "step-00000001", "", "../..", "\0" })
        {
            File.WriteAllText(_directory.File("latest"), other);
            Assert.Equal(8, Checkpoint.Find(_directory.Path).State.Step);
        }

        File.Delete(_directory.File("latest"));
        Assert.Equal(8, Checkpoint.Find(_directory.Path).State.Step);
    }

    [Fact]
    public void OtherDataOrAnotherShapeIsRefused()
    {
        Train(Fixtures.TinyRun);
        Checkpoint checkpoint = Checkpoint.Find(_directory.Path);
        Fixtures.OnDevice(device =>
        {
            using var otherData = new Trainer(device, Fixtures.TinyRun, Fixtures.Tokens(501));
            Assert.Contains("other data (500 tokens; these are 501)", Assert.Throws<InvalidFileException>(() => otherData.Resume(checkpoint)).Message, StringComparison.Ordinal);
            TrainerOptions otherShape = Fixtures.TinyRun with { Model = Fixtures.TinyModel with { Heads = 4 } };
            Assert.Contains("another shape", Assert.Throws<InvalidFileException>(() => Trainer.FromCheckpoint(checkpoint, device, otherShape, Fixtures.Tokens(500))).Message, StringComparison.Ordinal);
            return true;
        });
        Assert.Contains("no such directory", Assert.Throws<InvalidFileException>(() => Checkpoint.Find(_directory.File("none"))).Message, StringComparison.Ordinal);
        Assert.Contains("a file, not", Assert.Throws<InvalidFileException>(() => Checkpoint.Find(_directory.File("latest"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFullDiskLeavesTheLastCheckpointAndNothingElse()
    {
        string disk = _directory.File("disk");
        Directory.CreateDirectory(disk);
        using (Process? mount = TryMount(disk))
        {
            if (mount is not { ExitCode: 0 })
            {
                Assert.Skip("a small file system can be mounted by root only");
            }
        }

        try
        {
            // One checkpoint of this model is about 110 KB: two fit on 280 KB, the third does not.
            var recorder = new Recorder();
            AiOsException e = Assert.ThrowsAny<AiOsException>(() => Train(Fixtures.TinyRun with { SaveEvery = 1, Steps = 5 }, disk, recorder));
            Assert.Contains("the disk is full", e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', e.Message);
            Assert.Equal(recorder.Checkpoints[^1], Checkpoint.Find(disk).Directory);
            Assert.Equal(recorder.Checkpoints, Directory.GetFileSystemEntries(Path.Combine(disk, "checkpoints")).Order());
        }
        finally
        {
            Process.Start("umount", [disk]).WaitForExit();
        }
    }

    [Fact]
    public void DamagedSmallFilesNeverCrash()
    {
        Train(Fixtures.TinyRun with { Steps = 1 });
        string directory = Checkpoint.Find(_directory.Path).Directory;
        foreach (string name in new[] { "manifest.json", "trainer.json", "config.json" })
        {
            byte[] valid = File.ReadAllBytes(Path.Combine(directory, name));
            Gen<byte[]> damaged = from at in Gen.Choose(0, valid.Length - 1)
                                  from length in Gen.Choose(0, 30)
                                  from value in Gen.Elements("{", "[", "9e99", "-1", "null", "\"", ",", "x", "18446744073709551616")
                                  select (byte[])[.. valid.Take(at), .. value.Select(c => (byte)c), .. valid.Skip(at + length)];
            Prop.ForAll(damaged.ToArbitrary(), bytes =>
            {
                string path = _directory.Write(name, bytes);
                try
                {
                    _ = name switch
                    {
                        "manifest.json" => Read(path, CheckpointJson.Default.Manifest),
                        "trainer.json" => Read(path, CheckpointJson.Default.TrainerState),
                        _ => HuggingFaceConfig.Read(path),
                    };
                }
                catch (InvalidFileException e)
                {
                    Assert.DoesNotContain('\n', e.Message);
                }
            }).Check(Properties.Tries(500));
        }

        static object Read<T>(string path, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
            where T : class => JsonFile.Read(path, 1 << 20, type);
    }

    private static Process? TryMount(string path)
    {
        try
        {
            var start = new ProcessStartInfo("mount", ["-t", "tmpfs", "-o", "size=280k", "aios-test", path]) { RedirectStandardError = true };
            Process? mount = Process.Start(start);
            mount?.WaitForExit();
            return mount;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    private Recorder Train(TrainerOptions options, string? directory = null, Recorder? recorder = null)
    {
        recorder ??= new Recorder();
        Fixtures.OnDevice(device =>
        {
            using var trainer = new Trainer(device, options with { OutDirectory = directory ?? _directory.Path }, Fixtures.Tokens(500), null, new ByteTokenizer());
            return trainer.Run(recorder);
        });
        return recorder;
    }
}

using System.Runtime.InteropServices;
using System.Text;
using AiOs.Models.Formats;
using AiOs.Runtime;

namespace AiOs.Models.Tests;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void ReadsAHandMadeFile()
    {
        using SafetensorsFile file = SafetensorsFile.Open(_directory.Write("x", SafetensorsBytes.Valid()));
        Assert.Equal(["a", "b.c", "none", "s"], file.Tensors.Keys);
        Assert.Equal("here", file.Metadata["made"]);
        Assert.Equal([1f, -2f, 3f, -0.25f], Read(file, "a"));
        Assert.Equal([1f, -2f, 3f], Read(file, "b.c"));
        Assert.Equal([1.5f], Read(file, "s"));
        Assert.Equal([2L, 2L], file.Find("a").Shape);
        Assert.Empty(file.Find("s").Shape);
        Assert.Equal(0, file.Find("none").Length);
        Assert.Equal([0x40, 0x40], file.Bytes(file.Find("b.c"), 4, 2).ToArray());
    }

    [Fact]
    public void ViewsStayInsideTheirTensor()
    {
        using SafetensorsFile file = SafetensorsFile.Open(_directory.Write("x", SafetensorsBytes.Valid()));
        SafetensorsEntry entry = file.Find("b.c");
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Bytes(entry, 5, 2).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Bytes(entry, -1, 2).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Bytes(entry, 7, 0).Length);
        Assert.Throws<InvalidFileException>(() => file.Find("b"));
        Assert.Throws<InvalidFileException>(() => file.Read(file.Find("none"), 0, []));
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Bytes(entry, 0, 2).Length);
    }

    [Fact]
    public void WritesWhatItReads()
    {
        string path = _directory.File("made.safetensors");
        float[] values = [.. Enumerable.Range(0, 300_000).Select(i => i * 0.37f)];
        SafetensorsItem[] items =
        [
            new("big", SafetensorsType.F32, [300, 1000], (at, to) => MemoryMarshal.AsBytes(values.AsSpan()).Slice((int)at, to.Length).CopyTo(to)),
            new("naïve \"name\"", SafetensorsType.U8, [3], (_, to) => to.Fill(7)),
        ];
        SafetensorsWriter.Write(path, items, new Dictionary<string, string> { ["format"] = "pt" });

        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal(values, Read(file, "big"));
        Assert.Equal([7, 7, 7], file.Bytes(file.Find("naïve \"name\""), 0, 3).ToArray());
        Assert.Equal("pt", file.Metadata["format"]);
        Assert.Equal(0, BitConverter.ToInt64(File.ReadAllBytes(path)) % 8);
        Assert.Equal([path], Directory.GetFiles(_directory.Path));
    }

    [Fact]
    public void AFailedWriteKeepsTheOldFileAndLeavesNothing()
    {
        string path = _directory.Write("x", [1, 2, 3]);
        SafetensorsItem[] items = [new("t", SafetensorsType.U8, [5_000_000], (at, _) =>
        {
            if (at > 2_000_000)
            {
                throw new IOException("No space left on device");
            }
        })];
        AiOsException e = Assert.ThrowsAny<AiOsException>(() => SafetensorsWriter.Write(path, items));
        Assert.Contains("disk is full", e.Message, StringComparison.Ordinal);
        Assert.Equal([1, 2, 3], File.ReadAllBytes(path));
        Assert.Equal([path], Directory.GetFiles(_directory.Path));
        e = Assert.ThrowsAny<AiOsException>(() => SafetensorsWriter.Write(_directory.File("no/such/x"), items));
        Assert.StartsWith(_directory.File("no/such/x"), e.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(path, [items[0], items[0]]));
    }

    [Theory]
    [InlineData("", 0, "does not start")]
    [InlineData("[]", 0, "does not start")]
    [InlineData("{", 0, "not valid JSON")]
    [InlineData("{}x", 0, "not valid JSON")]
    [InlineData("{} {}", 0, "not valid JSON")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "appears twice")]
    [InlineData("""{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "appears twice")]
    [InlineData("""{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}""", 4, "unknown dtype 'F31'")]
    [InlineData("""{"a":{"dtype":4,"shape":[1],"data_offsets":[0,4]}}""", 4, "dtype is not a string")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "not an integer")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, "not an integer")]
    [InlineData("""{"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}""", 4, "shape is not an array")]
    [InlineData("""{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}""", 4, "not an integer")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}""", 4, "more elements")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]}}""", 4, "more elements")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "needs 8 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "begin <= end")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}""", 4, "begin <= end")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}""", 4, "begin <= end")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 4, "has only 4")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "belong to no tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 5, "belong to no tensor")]
    [InlineData("{}", 1, "belong to no tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "overlaps")]
    [InlineData("""{"a":{"shape":[1],"data_offsets":[0,4]}}""", 4, "'dtype' is missing")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"extra":1}}""", 4, "unknown field 'extra'")]
    [InlineData("""{"a\nb":{"dtype":"F3\n2","shape":[1],"data_offsets":[0,4]}}""", 4, "unknown dtype")]
    [InlineData("""{"a":5}""", 0, "not an object")]
    [InlineData("""{"__metadata__":{"a":1}}""", 0, "not a string")]
    [InlineData("""{"__metadata__":{},"__metadata__":{}}""", 0, "appears twice")]
    public void RefusesALyingHeader(string header, int dataBytes, string problem)
    {
        string path = _directory.Write("bad.safetensors", SafetensorsBytes.File(header, new byte[dataBytes]));
        Refuses(path, problem);
    }

    [Theory]
    [InlineData(300L)]
    [InlineData(-1L)]
    [InlineData(100_000_001L)]
    [InlineData(long.MaxValue)]
    public void RefusesAHeaderLengthBeyondTheFile(long claimed)
    {
        string path = _directory.Write("bad", SafetensorsBytes.File("{}", [], claimed));
        Refuses(path, "the header claims");
    }

    [Fact]
    public void RefusesTextThatIsNotUtf8()
    {
        byte[] file = SafetensorsBytes.Valid();
        file[8 + SafetensorsBytes.ValidHeader.IndexOf("b.c", StringComparison.Ordinal)] = 0xff;
        Refuses(_directory.Write("bad", file), "not valid JSON");
    }

    [Fact]
    public void RefusesEveryTruncation()
    {
        byte[] file = SafetensorsBytes.Valid();
        for (int length = 0; length < file.Length; length++)
        {
            Refuses(_directory.Write("cut", file[..length]), string.Empty);
        }
    }

    [Fact]
    public void SaysWhyAFileCannotBeOpened()
    {
        Refuses(_directory.File("missing"), "no such file");
        Refuses(_directory.Path, "directory");
    }

    private static float[] Read(SafetensorsFile file, string name)
    {
        SafetensorsEntry entry = file.Find(name);
        var values = new float[entry.Length];
        file.Read(entry, 0, values);
        return values;
    }

    private static void Refuses(string path, string problem)
    {
        AiOsException e = Assert.ThrowsAny<AiOsException>(() => SafetensorsFile.Open(path).Dispose());
        Assert.StartsWith(path, e.Message, StringComparison.Ordinal);
        Assert.Contains(problem, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
        Assert.True(Encoding.UTF8.GetByteCount(e.Message) < path.Length + 400, e.Message);
    }
}

using System.Text;
using AiOs.Models.Formats;
using AiOs.Models.Tokenizers;
using AiOs.Runtime;
using AiOs.Tests;
using FsCheck;
using FsCheck.Fluent;

namespace AiOs.Models.Tests;

/// <summary>Thousands of damaged files: a reader succeeds or says why not, and never takes memory a file does not have.</summary>
public sealed class FileFuzzTests : IDisposable
{
    private const long MemoryLimit = 4 << 20;
    private static readonly Config Runs = Properties.Tries(4000);
    private static readonly string[] Tokens = ["{", "}", "[", "]", ",", ":", "\"", "-1", "0", "9223372036854775807", "1e400", "\"a\"", "\"F32\"", "\\u0000", "\\ud800", "null"];

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void SafetensorsReaderSurvivesAnyDamage()
    {
        byte[] valid = SafetensorsBytes.Valid();
        Prop.ForAll(Damaged(valid).ToArbitrary(), bytes =>
        {
            string path = _directory.Write("fuzz", bytes);
            SurvivesWithinMemory(() =>
            {
                using SafetensorsFile file = SafetensorsFile.Open(path);
                foreach (SafetensorsEntry entry in file.Tensors.Values)
                {
                    Assert.Equal(entry.ByteLength, file.Bytes(entry, 0, (int)entry.ByteLength).ToArray().Length);
                }
            });
        }).Check(Runs);
    }

    [Fact]
    public void VocabularyReaderSurvivesAnyDamage()
    {
        byte[] vocabulary = Encoding.UTF8.GetBytes(TinyVocabulary.Json), merges = Encoding.UTF8.GetBytes(TinyVocabulary.Merges);
        Gen<(byte[], byte[])> files = Gen.OneOf(
            Damaged(vocabulary).Select(v => (v, merges)), Damaged(merges).Select(m => (vocabulary, m)));
        Prop.ForAll(files.ToArbitrary(), pair =>
        {
            string v = _directory.Write("vocab.json", pair.Item1), m = _directory.Write("merges.txt", pair.Item2);
            SurvivesWithinMemory(() =>
            {
                Gpt2Tokenizer tokenizer = Gpt2Tokenizer.Load(v, m);
                Assert.Equal("hello  there", tokenizer.Decode(tokenizer.Encode("hello  there")));
            });
        }).Check(Runs);
    }

    private static void SurvivesWithinMemory(Action read)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            read();
        }
        catch (InvalidFileException e)
        {
            Assert.DoesNotContain('\n', e.Message);
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MemoryLimit);
    }

    /// <summary>A few edits of a valid file: flipped bytes, cuts, doubled parts, and pieces of JSON put anywhere.</summary>
    private static Gen<byte[]> Damaged(byte[] valid)
    {
        Gen<int> place = Gen.Choose(0, valid.Length - 1);
        Gen<Func<byte[], byte[]>> flip =
            from at in place from bit in Gen.Choose(0, 7) select Edit(b => Set(b, at, (byte)(b[at % b.Length] ^ (1 << bit))));
        Gen<Func<byte[], byte[]>> overwrite =
            from at in place from value in Gen.Choose(0, 255) select Edit(b => Set(b, at, (byte)value));
        Gen<Func<byte[], byte[]>> cut =
            from at in place from length in Gen.Choose(1, 40) select Edit(b => [.. b.Take(at), .. b.Skip(at + length)]);
        Gen<Func<byte[], byte[]>> truncate = from at in place select Edit(b => [.. b.Take(at)]);
        Gen<Func<byte[], byte[]>> repeat =
            from at in place
            from length in Gen.Choose(1, 60)
            select Edit(b => [.. b.Take(at), .. b.Skip(at).Take(length), .. b.Skip(at)]);
        Gen<Func<byte[], byte[]>> insert =
            from at in place
            from token in Gen.Elements(Tokens)
            select Edit(b => [.. b.Take(at), .. Encoding.UTF8.GetBytes(token), .. b.Skip(at)]);
        return Gen.OneOf(flip, overwrite, cut, truncate, repeat, insert).NonEmptyListOf()
            .Select(edits => edits.Take(5).Aggregate(valid, (b, edit) => b.Length == 0 ? b : edit(b)));
    }

    private static Func<byte[], byte[]> Edit(Func<byte[], byte[]> edit) => edit;

    private static byte[] Set(byte[] bytes, int at, byte value)
    {
        byte[] copy = [.. bytes];
        copy[at % copy.Length] = value;
        return copy;
    }
}

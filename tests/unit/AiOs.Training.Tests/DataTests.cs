using System.Text;
using AiOs.Models.Tokenizers;
using AiOs.Runtime;
using AiOs.Tests;
using AiOs.Training.Data;
using FsCheck;
using FsCheck.Fluent;

namespace AiOs.Training.Tests;

public sealed class DataTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void APermutationMeetsEveryValueOnce()
    {
        for (long count = 1; count <= 300; count++)
        {
            IsBijection(count, seed: 7, epoch: count % 5);
        }

        Gen<(int, long, int)> cases =
            from count in Gen.Choose(301, 20_000)
            from seed in Gen.Choose(int.MinValue, int.MaxValue).Select(s => (long)s)
            from epoch in Gen.Choose(0, 1000)
            select (count, seed, epoch);
        Prop.ForAll(cases.ToArbitrary(), c => IsBijection(c.Item1, (ulong)c.Item2, c.Item3)).Check(Properties.Tries(100));
    }

    [Fact]
    public void APermutationMixesAndDependsOnSeedAndEpoch()
    {
        const long count = 10_000;
        var first = new FeistelPermutation(count, 1, 0);
        long[] values = [.. Enumerable.Range(0, (int)count).Select(i => first[i])];
        double center = (count - 1) / 2.0;
        double correlation = values.Select((v, i) => (v - center) * (i - center)).Sum() / (count * count * (double)count / 12);
        Assert.InRange(correlation, -0.05, 0.05);
        Assert.InRange(values.Zip(values.Skip(1)).Count(p => Math.Abs(p.First - p.Second) < 100), 0, 400);
        foreach (FeistelPermutation other in new[] { new FeistelPermutation(count, 2, 0), new FeistelPermutation(count, 1, 1) })
        {
            Assert.InRange(Enumerable.Range(0, (int)count).Count(i => other[i] == values[i]), 0, 20);
        }

        var huge = new FeistelPermutation(1L << 40, 3, 4);
        Assert.InRange(huge[(1L << 40) - 1], 0, (1L << 40) - 1);
        Assert.Throws<ArgumentOutOfRangeException>(() => first[count]);
    }

    [Fact]
    public void WindowsCoverTheTokensInOrder()
    {
        var source = new TokenArray("t", Enumerable.Range(0, 23).Select(i => (ushort)i).ToArray());
        var order = new WindowOrder(source, 5, DataOrder.Sequential, 0);
        Assert.Equal(4, order.Windows);
        Assert.Equal([0L, 5, 10, 15, 0, 5], Enumerable.Range(0, 6).Select(i => order.StartOf(i)));
        Assert.Equal(5, new WindowOrder(new TokenArray("t", new ushort[26]), 5, DataOrder.Sequential, 0).Windows);
        Assert.Equal(4, new WindowOrder(new TokenArray("t", new ushort[25]), 5, DataOrder.Sequential, 0).Windows);

        var shuffled = new WindowOrder(source, 5, DataOrder.Shuffle, 9);
        for (int epoch = 0; epoch < 5; epoch++)
        {
            Assert.Equal([0L, 5, 10, 15], Enumerable.Range(epoch * 4, 4).Select(i => shuffled.StartOf(i)).Order());
        }

        AiOsException e = Assert.Throws<AiOsException>(() => new WindowOrder(source, 23, DataOrder.Shuffle, 0));
        Assert.Contains("23 tokens are fewer than one window of 23 + 1", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TheLastTenthIsForValidation()
    {
        var source = new TokenArray("t", Enumerable.Range(0, 1000).Select(i => (ushort)i).ToArray());
        (TokenSlice train, TokenSlice validation) = TokenSlice.Split(source, 20);
        Assert.Equal((900L, 100L), (train.Length, validation.Length));
        var token = new int[1];
        validation.Read(0, token);
        Assert.Equal(900, token[0]);
        validation.Read(99, token);
        Assert.Equal(999, token[0]);
        Assert.Throws<ArgumentOutOfRangeException>(() => train.Read(900, token));
        AiOsException e = Assert.Throws<AiOsException>(() => TokenSlice.Split(source, 100));
        Assert.Contains("give at least 1010 tokens", e.Message, StringComparison.Ordinal);
        TokenSlice.Split(new TokenArray("t", new ushort[1010]), 100);
    }

    [Fact]
    public void ATokenFileIsReadAsLittleEndianPairs()
    {
        using TokenFile file = TokenFile.Open(_directory.Write("t.bin", [1, 0, 2, 1, 0xff, 0xff]), 65536);
        var tokens = new int[3];
        file.Read(0, tokens);
        Assert.Equal([1, 258, 65535], tokens);
        file.Read(2, tokens.AsSpan(0, 1));
        Assert.Equal(65535, tokens[0]);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Read(2, tokens));
    }

    [Fact]
    public void ABadTokenFileIsNamedWithThePlace()
    {
        Refuses(() => TokenFile.Open(_directory.Write("empty", []), 10), "empty: the file is empty");
        Refuses(() => TokenFile.Open(_directory.Write("odd", [1, 0, 2]), 10), "odd: 3 bytes are no whole number");
        Refuses(() => TokenFile.Open(_directory.File("missing"), 10), "missing: no such file");
        Refuses(() => TokenFile.Open(_directory.Path, 10), "directory");
        Refuses(() => TokenFile.Open(_directory.Write("v", [1, 0, 9, 0, 10, 0, 9, 0]), 10), "v: token 10 at position 2 is not below the vocabulary of 10; use --vocab 11");
        Refuses(() => TokenFile.Open(_directory.Write("v", [1, 0]), 65537), "65537 does not fit");
        Refuses(() => TokenFile.Open(_directory.Write("v", [1, 0]), 0), "0 does not fit");
    }

    [Fact]
    public void TextBecomesTokensFileByFile()
    {
        string a = _directory.Write("a.txt", Encoding.UTF8.GetBytes("ab")), b = _directory.Write("b.txt", Encoding.UTF8.GetBytes("é"));
        TokenArray data = TextData.FromFiles([a, b], new ByteTokenizer());
        var tokens = new int[4];
        data.Read(0, tokens);
        Assert.Equal(4, data.Length);
        Assert.Equal(['a', 'b', 0xc3, 0xa9], tokens);
        Refuses(() => TextData.FromFiles([_directory.Write("none", [])], new ByteTokenizer()), "no text");
        Refuses(() => TextData.FromFiles([a, _directory.File("missing")], new ByteTokenizer()), "missing: no such file");
        Refuses(() => TextData.FromFiles([_directory.Path], new ByteTokenizer()), "directory");
    }

    [Theory]
    [InlineData(DataOrder.Sequential)]
    [InlineData(DataOrder.Shuffle)]
    public void TheLoaderGivesTheSameBatchesFromAnyStart(DataOrder kind)
    {
        using Device device = Device.Open();
        ushort[] tokens = [.. Enumerable.Range(0, 301).Select(i => (ushort)(i * 7 % 251))];
        var source = new TokenArray("t", tokens);
        var order = new WindowOrder(source, 6, kind, 3);
        for (int first = 0; first < 30; first += 13)
        {
            using var loader = new BatchLoader(device, source, order, 4, first, 40 - first, depth: 3);
            for (int batch = first; batch < 40; batch++)
            {
                TokenBatch got = loader.Next();
                for (int i = 0; i < 24; i++)
                {
                    long at = order.StartOf((batch * 4) + (i / 6)) + (i % 6);
                    Assert.Equal(tokens[at], got.Inputs.GetSpan()[i]);
                    Assert.Equal(tokens[at + 1], got.Targets.GetSpan()[i]);
                }

                loader.Release();
            }

            Assert.Throws<InvalidOperationException>(loader.Next);
            Assert.Throws<InvalidOperationException>(loader.Release);
        }
    }

    [Fact]
    public void ALoaderPassesOnWhatWentWrongAndStopsAnyTime()
    {
        using Device device = Device.Open();
        var source = new FailingSource();
        var order = new WindowOrder(source, 4, DataOrder.Sequential, 0);
        using (var loader = new BatchLoader(device, source, order, 1, 0, 1000, depth: 2))
        {
            loader.Next();
            loader.Release();
            loader.Next();
            loader.Release();
            AiOsException e = Assert.Throws<AiOsException>(loader.Next);
            Assert.Contains("the disk is gone", e.Message, StringComparison.Ordinal);
        }

        new BatchLoader(device, source, order, 1, 0, 1000).Dispose();
    }

    private static void IsBijection(long count, ulong seed, long epoch)
    {
        var permutation = new FeistelPermutation(count, seed, epoch);
        var seen = new bool[count];
        for (long i = 0; i < count; i++)
        {
            long value = permutation[i];
            Assert.False(seen[value], $"{value} of {count} came twice");
            seen[value] = true;
        }
    }

    private static void Refuses(Action action, string problem)
    {
        AiOsException e = Assert.ThrowsAny<AiOsException>(action);
        Assert.Contains(problem, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    private sealed class FailingSource : ITokenSource
    {
        public string Name => "t";

        public long Length => 1000;

        public void Read(long start, Span<int> destination)
        {
            if (start >= 8)
            {
                throw new IOException("the disk is gone");
            }
        }
    }
}

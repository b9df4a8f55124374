using System.Text;
using System.Text.RegularExpressions;
using AiOs.Models.Tokenizers;
using AiOs.Runtime;
using AiOs.Tests;
using FsCheck;
using FsCheck.Fluent;

namespace AiOs.Models.Tests;

public sealed partial class TokenizerTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void BytesAreTheirOwnIds()
    {
        var tokenizer = new ByteTokenizer();
        Assert.Equal([0x61, 0xc3, 0xa9, 0x0a], tokenizer.Encode("aé\n"));
        Assert.Equal("aé\n", tokenizer.Decode([0x61, 0xc3, 0xa9, 0x0a]));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.TokenBytes(256).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.TokenBytes(-1).Length);
    }

    [Fact]
    public void MergesAsWorkedOutByHand()
    {
        Gpt2Tokenizer tokenizer = Tiny();
        int hello = TinyVocabulary.Merged("hello"), wor = TinyVocabulary.Merged("Ġwor"), two = TinyVocabulary.Merged("ĠĠ");
        Assert.Equal(256 + 11 + 1, tokenizer.VocabularySize);
        Assert.Equal([hello, wor, 'l', 'd'], tokenizer.Encode("hello world"));
        // Two of three spaces are a piece of their own; the third goes with the word.
        Assert.Equal([hello, two, wor], tokenizer.Encode("hello   wor"));
        Assert.Equal([hello, two, ' '], tokenizer.Encode("hello   "));
        Assert.Equal([hello, ' ', '\n', 'w'], tokenizer.Encode("hello \nw"));
        // The merge inside a word does not cross to the contraction, and 'S is none.
        Assert.Equal([hello, TinyVocabulary.Merged("'s")], tokenizer.Encode("hello's"));
        Assert.Equal([hello, '\'', 'S'], tokenizer.Encode("hello'S"));
        // Best rank first, leftmost of equals: aaaaa -> aa aa a -> aa aaa.
        Assert.Equal([TinyVocabulary.Merged("aa"), TinyVocabulary.Merged("aaa")], tokenizer.Encode("aaaaa"));
        Assert.Equal([0xc3, 0xa9], tokenizer.Encode("é"));
    }

    [Fact]
    public void EndOfTextIsOneToken()
    {
        Gpt2Tokenizer tokenizer = Tiny();
        Assert.Equal(TinyVocabulary.EndOfText, tokenizer.EndOfText);
        Assert.Equal(['x', TinyVocabulary.EndOfText, TinyVocabulary.EndOfText, ' ', 'y'], tokenizer.Encode("x<|endoftext|><|endoftext|> y"));
        Assert.Equal(12, tokenizer.Encode("<|endoftext|").Length);
        Assert.Equal("<|endoftext|>", tokenizer.Decode([TinyVocabulary.EndOfText]));
    }

    [Fact]
    public void ALongPieceTakesNoQuadraticTime()
    {
        Gpt2Tokenizer tokenizer = Tiny();
        Assert.Equal(new string('a', 1_000_000), tokenizer.Decode(tokenizer.Encode(new string('a', 1_000_000))));
    }

    [Fact]
    public void AnyBytesComeBack()
    {
        Gpt2Tokenizer tiny = Tiny();
        var bytes = new ByteTokenizer();
        Prop.ForAll<byte[]>(input =>
        {
            foreach (ITokenizer tokenizer in new ITokenizer[] { tiny, bytes })
            {
                var ids = new List<int>();
                tokenizer.Encode(input, ids);
                Assert.Equal(input, tokenizer.DecodeBytes(ids.ToArray()));
            }
        }).Check(Properties.Tries(2000));
    }

    [Fact]
    public void PiecesAreThoseOfTheExpression()
    {
        // In the basic plane .NET's own expression engine sees what the scanner sees.
        Gen<char> letter = Gen.Frequency(
            (6, Gen.Elements(" \t\n\u00a0'".ToCharArray())), (6, Gen.Elements("strevmldSaé漢ßǅʰ".ToCharArray())),
            (3, Gen.Elements("019²½Ⅷ٣".ToCharArray())), (3, Gen.Elements(".,-_́€—\u200b".ToCharArray())),
            (1, Gen.Choose(0, 0xd7ff).Select(c => (char)c)));
        Gen<string> text = letter.ListOf().Select(c => new string([.. c]));
        Prop.ForAll(text.ToArbitrary(), s =>
        {
            byte[] utf8 = Encoding.UTF8.GetBytes(s);
            var pieces = new List<string>();
            for (int at = 0; at < utf8.Length;)
            {
                int length = Gpt2PreTokenizer.PieceLength(utf8.AsSpan(at));
                pieces.Add(Encoding.UTF8.GetString(utf8, at, length));
                at += length;
            }

            Assert.Equal(Expression().Matches(s).Select(m => m.Value), pieces);
        }).Check(Properties.Tries(5000));
    }

    [Fact]
    public void LettersOutsideTheBasicPlaneAreLetters()
    {
        byte[] text = Encoding.UTF8.GetBytes(" \U0001D400b\U0001F600");
        Assert.Equal(6, Gpt2PreTokenizer.PieceLength(text));
        Assert.Equal(4, Gpt2PreTokenizer.PieceLength(text.AsSpan(6)));
    }

    [Fact]
    public void SavesWhatItLoads()
    {
        Gpt2Tokenizer tokenizer = Tiny();
        using var copy = new TemporaryDirectory();
        tokenizer.Save((name, write) =>
        {
            using FileStream stream = File.Create(copy.File(name));
            write(stream);
        });
        ITokenizer again = TokenizerFiles.TryLoad(copy.Path)!;
        Assert.Equal(tokenizer.Encode("hello world's aaaa"), again.Encode("hello world's aaaa"));

        using var other = new TemporaryDirectory();
        Assert.Null(TokenizerFiles.TryLoad(other.Path));
        new ByteTokenizer().Save((name, write) =>
        {
            using FileStream stream = File.Create(other.File(name));
            write(stream);
        });
        Assert.IsType<ByteTokenizer>(TokenizerFiles.TryLoad(other.Path));
    }

    [Theory]
    [InlineData("[1]", null, "not a JSON object")]
    [InlineData("{", null, "not valid JSON")]
    [InlineData("""{"a": 0, "a": 1}""", null, "appears twice")]
    [InlineData("""{"a": 0, "b": 0}""", null, "each once")]
    [InlineData("""{"a": 5}""", null, "must be 0 to 0")]
    [InlineData("""{"a": -5}""", null, "no valid id")]
    [InlineData("""{"a": 0}""", null, "byte 0 is missing")]
    [InlineData(null, "he\n", "line 1 is not two symbols")]
    [InlineData(null, "a b c\n", "line 1 is not two symbols")]
    [InlineData(null, "#version: 0.2\nq z\n", "line 2 merges 'q' and 'z'")]
    public void RefusesBadFiles(string? vocabulary, string? merges, string problem)
    {
        string v = _directory.Write("vocab.json", Encoding.UTF8.GetBytes(vocabulary ?? TinyVocabulary.Json));
        string m = _directory.Write("merges.txt", Encoding.UTF8.GetBytes(merges ?? TinyVocabulary.Merges));
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => Gpt2Tokenizer.Load(v, m));
        Assert.Contains(problem, e.Message, StringComparison.Ordinal);
        Assert.StartsWith(merges is null ? v : m, e.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidFileException>(() => Gpt2Tokenizer.Load(v, _directory.File("missing")));
    }

    private Gpt2Tokenizer Tiny() => Gpt2Tokenizer.Load(
        _directory.Write("vocab.json", Encoding.UTF8.GetBytes(TinyVocabulary.Json)),
        _directory.Write("merges.txt", Encoding.UTF8.GetBytes(TinyVocabulary.Merges)));

    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", RegexOptions.CultureInvariant)]
    private static partial Regex Expression();
}

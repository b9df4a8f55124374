using System.Text;
using AiOs.Models.Formats;
using AiOs.Runtime;
using Stream = System.IO.Stream;

namespace AiOs.Models.Tokenizers;

/// <summary>
/// The byte-level byte-pair encoding of GPT-2 (Radford et al., 2019; Sennrich et al., arXiv:1508.07909), from the
/// `vocab.json` and `merges.txt` that come with a model.
/// </summary>
public sealed class Gpt2Tokenizer : ITokenizer
{
    /// <summary>Name of the vocabulary file of a model directory.</summary>
    public const string VocabularyName = "vocab.json";

    /// <summary>Name of the merges file of a model directory.</summary>
    public const string MergesName = "merges.txt";

    private static readonly byte[] EndOfTextBytes = "<|endoftext|>"u8.ToArray();

    private readonly byte[][] _bytes;
    private readonly int[] _byteIds = new int[256];
    private readonly Dictionary<(int Left, int Right), (int Rank, int Merged)> _merges;
    private readonly byte[] _vocabularyFile;
    private readonly byte[] _mergesFile;

    private Gpt2Tokenizer(byte[] vocabularyFile, string vocabularyPath, byte[] mergesFile, string mergesPath)
    {
        (_vocabularyFile, _mergesFile) = (vocabularyFile, mergesFile);
        Dictionary<string, int> ids = Gpt2VocabularyReader.ReadVocabulary(vocabularyFile, vocabularyPath);
        _merges = Gpt2VocabularyReader.ReadMerges(mergesFile, mergesPath, ids);
        _bytes = new byte[ids.Count][];
        foreach ((string symbol, int id) in ids)
        {
            _bytes[id] = Gpt2Symbols.ToBytes(symbol) ?? throw new InvalidFileException(
                vocabularyPath, $"symbol {PrintableText.Quote(symbol)} has a character that stands for no byte",
                "use the vocab.json of a GPT-2 model, unchanged");
        }

        for (int b = 0; b < 256; b++)
        {
            _byteIds[b] = ids[Gpt2Symbols.FromByte((byte)b).ToString()];
        }

        EndOfText = ids.TryGetValue(Encoding.UTF8.GetString(EndOfTextBytes), out int special) ? special : null;
    }

    /// <inheritdoc/>
    public int VocabularySize => _bytes.Length;

    /// <summary>The id of <c>&lt;|endoftext|&gt;</c>; null when the vocabulary has none.</summary>
    public int? EndOfText { get; }

    /// <summary>Loads a vocabulary.</summary>
    /// <exception cref="InvalidFileException">A file is missing, or not what its name says.</exception>
    public static Gpt2Tokenizer Load(string vocabularyPath, string mergesPath) => new(
        Gpt2VocabularyReader.ReadFile(vocabularyPath), vocabularyPath,
        Gpt2VocabularyReader.ReadFile(mergesPath), mergesPath);

    /// <summary>
    /// Appends the ids of a text. The literal <c>&lt;|endoftext|&gt;</c> becomes its special token.
    /// </summary>
    public void Encode(ReadOnlySpan<byte> utf8, List<int> ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var merger = new Merger(this);
        while (!utf8.IsEmpty)
        {
            int special = EndOfText is null ? -1 : utf8.IndexOf(EndOfTextBytes);
            ReadOnlySpan<byte> plain = special < 0 ? utf8 : utf8[..special];
            while (!plain.IsEmpty)
            {
                int length = Gpt2PreTokenizer.PieceLength(plain);
                merger.Encode(plain[..length], ids);
                plain = plain[length..];
            }

            if (special < 0)
            {
                return;
            }

            ids.Add(EndOfText!.Value);
            utf8 = utf8[(special + EndOfTextBytes.Length)..];
        }
    }

    /// <inheritdoc/>
    public ReadOnlySpan<byte> TokenBytes(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, _bytes.Length);
        return _bytes[id];
    }

    /// <inheritdoc/>
    public void Save(Action<string, Action<Stream>> create)
    {
        ArgumentNullException.ThrowIfNull(create);
        create(VocabularyName, s => s.Write(_vocabularyFile));
        create(MergesName, s => s.Write(_mergesFile));
        create(TokenizerFiles.ConfigName, s => s.Write(Encoding.UTF8.GetBytes(TokenizerFiles.Config(nameof(Gpt2Tokenizer)))));
    }

    /// <summary>
    /// Applies the merges of one piece, best rank first and leftmost of equals, on a linked list with a heap of
    /// candidates, so that a piece of n bytes costs O(n log n) however long it is.
    /// </summary>
    private sealed class Merger(Gpt2Tokenizer owner)
    {
        private const int Gone = -1;

        private readonly PriorityQueue<(int At, int Left, int Right), (int Rank, int At)> _candidates = new();
        private int[] _ids = [];
        private int[] _next = [];
        private int[] _previous = [];

        public void Encode(ReadOnlySpan<byte> piece, List<int> ids)
        {
            int n = piece.Length;
            if (_ids.Length < n)
            {
                (_ids, _next, _previous) = (new int[n * 2], new int[n * 2], new int[n * 2]);
            }

            for (int i = 0; i < n; i++)
            {
                _ids[i] = owner._byteIds[piece[i]];
                (_previous[i], _next[i]) = (i - 1, i + 1);
            }

            for (int i = 0; i + 1 < n; i++)
            {
                Consider(i, n);
            }

            while (_candidates.TryDequeue(out (int At, int Left, int Right) pair, out _))
            {
                Merge(pair, n);
            }

            for (int i = 0; i < n; i = _next[i])
            {
                ids.Add(_ids[i]);
            }
        }

        private void Consider(int at, int n)
        {
            int right = _next[at];
            if (right < n && owner._merges.TryGetValue((_ids[at], _ids[right]), out (int Rank, int Merged) merge))
            {
                _candidates.Enqueue((at, _ids[at], _ids[right]), (merge.Rank, at));
            }
        }

        private void Merge((int At, int Left, int Right) pair, int n)
        {
            // A candidate whose symbols were merged away since is skipped.
            int right = _ids[pair.At] == pair.Left ? _next[pair.At] : n;
            if (right >= n || _ids[right] != pair.Right)
            {
                return;
            }

            _ids[pair.At] = owner._merges[(pair.Left, pair.Right)].Merged;
            _ids[right] = Gone;
            _next[pair.At] = _next[right];
            if (_next[right] < n)
            {
                _previous[_next[right]] = pair.At;
            }

            Consider(pair.At, n);
            if (_previous[pair.At] >= 0)
            {
                Consider(_previous[pair.At], n);
            }
        }
    }
}

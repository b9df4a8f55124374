namespace AiOs.Models.Tokenizers;

/// <summary>
/// Maps text to token ids and back. Every implementation is lossless on bytes: the bytes of the ids that
/// <see cref="Encode(ReadOnlySpan{byte}, List{int})"/> gives are the bytes that went in, valid UTF-8 or not.
/// Instances are immutable and safe to use from many threads.
/// </summary>
public interface ITokenizer
{
    /// <summary>Number of ids; they are 0 to this minus 1.</summary>
    int VocabularySize { get; }

    /// <summary>The id that separates documents; null when the vocabulary has none.</summary>
    int? EndOfText { get; }

    /// <summary>Appends the ids of a piece of UTF-8 text to <paramref name="ids"/>.</summary>
    void Encode(ReadOnlySpan<byte> utf8, List<int> ids);

    /// <summary>The bytes a token stands for; they may be a part of a character.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    ReadOnlySpan<byte> TokenBytes(int id);

    /// <summary>Writes the files from which <see cref="TokenizerFiles.TryLoad"/> makes this tokenizer again.</summary>
    /// <param name="create">Called with a file name and what writes its content.</param>
    void Save(Action<string, Action<Stream>> create);
}

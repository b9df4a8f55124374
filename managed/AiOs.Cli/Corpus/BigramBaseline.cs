using System.Runtime.InteropServices;
using AiOs.Training.Data;

namespace AiOs.Cli.Corpus;

/// <summary>
/// The model to beat: the next token depends on the current one alone. Its probabilities are counts of pairs in the
/// training part with additive smoothing, p(b|a) = (n(a,b) + s) / (n(a) + s·V).
/// </summary>
internal static class BigramBaseline
{
    /// <summary>What every pair is counted as having been seen; small, which favours the bigram on text.</summary>
    public const double Smoothing = 0.1;

    /// <summary>Tokens read of each part, which bounds the table of pairs for very large data.</summary>
    private const long MaximumTokens = 1L << 25;

    private const int Chunk = 1 << 16;

    /// <summary>Mean cross-entropy of the validation part under the counts of the training part, in nats per token.</summary>
    public static double CrossEntropy(ITokenSource training, ITokenSource validation, int vocabulary)
    {
        Dictionary<uint, int> pairs = [];
        int[] firsts = new int[vocabulary];
        foreach ((int a, int b) in Pairs(training))
        {
            CollectionsMarshal.GetValueRefOrAddDefault(pairs, Key(a, b), out _)++;
            firsts[a]++;
        }

        double sum = 0;
        long count = 0;
        foreach ((int a, int b) in Pairs(validation))
        {
            pairs.TryGetValue(Key(a, b), out int seen);
            sum -= Math.Log((seen + Smoothing) / (firsts[a] + (Smoothing * vocabulary)));
            count++;
        }

        return sum / count;
    }

    private static uint Key(int a, int b) => ((uint)a << 16) | (uint)b;

    private static IEnumerable<(int First, int Second)> Pairs(ITokenSource source)
    {
        int[] buffer = new int[Chunk];
        long length = Math.Min(source.Length, MaximumTokens);
        for (long start = 0; start + 1 < length; start += Chunk - 1)
        {
            int count = (int)Math.Min(Chunk, length - start);
            source.Read(start, buffer.AsSpan(0, count));
            for (int i = 0; i + 1 < count; i++)
            {
                yield return (buffer[i], buffer[i + 1]);
            }
        }
    }
}

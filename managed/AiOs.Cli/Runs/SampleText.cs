using System.Text;
using AiOs.Cli.Corpus;
using AiOs.Models.Tokenizers;
using AiOs.Training.Data;
using AiOs.Training.Generation;
using AiOs.Training.Modules;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Cli.Runs;

/// <summary>A little text by the model that was just trained, going on from a line it was not trained on.</summary>
internal static class SampleText
{
    private const int PromptTokens = 48;
    private const int SearchedTokens = 512;
    private const int Tokens = 400;
    private static readonly SamplingOptions Options = new() { Temperature = 0.8, TopP = 0.9, Seed = 1 };

    /// <summary>Generates the sample, prompt included; the same model and data give the same text.</summary>
    /// <param name="model">The model.</param>
    /// <param name="stream">Its stream.</param>
    /// <param name="tokenizer">What its tokens stand for.</param>
    /// <param name="source">Where the prompt comes from: a line near the start.</param>
    public static string Write(Gpt model, Stream stream, ITokenizer tokenizer, ITokenSource source)
    {
        int[] prompt = Prompt(tokenizer, source);
        using Generator generator = new(model, stream);
        TokenText text = new(tokenizer);
        StringBuilder sample = new();
        foreach (int token in prompt.Concat(generator.Generate(prompt, Tokens, Options, tokenizer.EndOfText)))
        {
            sample.Append(text.Next(token));
        }

        return sample.Append(text.Finish()).ToString().TrimEnd();
    }

    /// <summary>The first tokens after a line end, or simply the first ones when there is none nearby.</summary>
    private static int[] Prompt(ITokenizer tokenizer, ITokenSource source)
    {
        int[] tokens = new int[Math.Min(SearchedTokens, source.Length)];
        source.Read(0, tokens);
        int end = Array.FindIndex(tokens, token => token < tokenizer.VocabularySize && tokenizer.TokenBytes(token).EndsWith("\n"u8));
        int start = end >= 0 && end + PromptTokens < tokens.Length ? end + 1 : 0;
        return tokens[start..Math.Min(start + PromptTokens, tokens.Length)];
    }
}

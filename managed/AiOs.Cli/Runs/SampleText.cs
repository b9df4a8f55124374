using System.Text;
using AiOs.Cli.Corpus;
using AiOs.Models.Tokenizers;
using AiOs.Training.Generation;
using AiOs.Training.Modules;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Cli.Runs;

/// <summary>A little text by the model that was just trained.</summary>
internal static class SampleText
{
    private const string Prompt = "\n";
    private const int Tokens = 400;
    private static readonly SamplingOptions Options = new() { Temperature = 0.7, TopP = 0.95, Seed = 1 };

    /// <summary>Generates the sample; the same model gives the same text.</summary>
    public static string Write(Gpt model, Stream stream, ITokenizer tokenizer)
    {
        List<int> prompt = [];
        tokenizer.Encode(Encoding.UTF8.GetBytes(Prompt), prompt);
        using Generator generator = new(model, stream);
        TokenText text = new(tokenizer);
        StringBuilder sample = new();
        foreach (int token in generator.Generate(prompt, Tokens, Options, tokenizer.EndOfText))
        {
            sample.Append(text.Next(token));
        }

        return sample.Append(text.Finish()).ToString().Trim('\n');
    }
}

using System.CommandLine;
using System.Diagnostics;
using System.Text;
using AiOs.Cli.Corpus;
using AiOs.Cli.Options;
using AiOs.Models.Tokenizers;
using AiOs.Runtime;
using AiOs.Training.Generation;
using static AiOs.Cli.Options.OptionFactory;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Cli.Commands;

/// <summary>What <c>aios generate --json</c> prints.</summary>
/// <param name="Prompt">The prompt.</param>
/// <param name="Text">What the model wrote after it.</param>
/// <param name="Tokens">Tokens of the text.</param>
/// <param name="Seconds">Time it took, without loading.</param>
/// <param name="TokensPerSecond">Tokens over that time.</param>
/// <param name="Model">The file of weights.</param>
internal sealed record GenerateDocument(string Prompt, string Text, int Tokens, double Seconds, double TokensPerSecond, string Model);

/// <summary><c>aios generate</c>: writes text with a trained model.</summary>
internal static class GenerateCommand
{
    private const int DefaultTokens = 200;
    private const double DefaultTemperature = 0.8;

    public static Command Create()
    {
        Option<string?> model = Text("--model", "DIR|FILE", "What to generate with: an --out directory, a checkpoint, a directory of Hugging Face's GPT-2, or a .safetensors file");
        model.Required = true;
        Option<string?> prompt = Text("--prompt", "TEXT", "What the text goes on from");
        prompt.Required = true;
        Option<long?> tokens = Whole("--max-tokens", "Tokens to write at most", 1, 1_000_000_000, $"{DefaultTokens}");
        Option<double?> temperature = Number("--temperature", "How freely to choose; 0 always takes the most likely token", 0, 1000, defaultText: "0.8");
        Option<long?> topK = Whole("--top-k", "Chooses among the N most likely tokens only", 1, int.MaxValue, "all");
        Option<double?> topP = Number("--top-p", "Chooses among the most likely tokens that together have this probability", 0, 1, defaultText: "1, which is all");
        Option<long?> seed = Whole("--seed", "The same seed gives the same text", 0, long.MaxValue, "1");
        Option<long?> heads = Whole("--heads", "Attention heads, for weights without a config.json beside them", 1, 1024);
        Option<string?> backend = CommonOptions.Backend();
        Option<long?> threads = CommonOptions.Threads();
        Option<bool> json = CommonOptions.Json();
        Command command = new("generate", "Writes text with a trained model.")
        {
            model, prompt, tokens, temperature, topK, topP, seed, heads, backend, threads, json,
        };
        command.SetAction(result =>
        {
            SamplingOptions sampling = new()
            {
                Temperature = result.GetValue(temperature) ?? DefaultTemperature,
                TopK = (int)(result.GetValue(topK) ?? 0),
                TopP = result.GetValue(topP) is { } p ? (p > 0 ? p : throw new UsageException("--top-p 0: expected a number above 0 to 1")) : 1,
                Seed = (ulong)(result.GetValue(seed) ?? 1),
            };
            using Device device = BackendChoice.Open(result.GetValue(backend), (int?)result.GetValue(threads));
            return Run(device, result.GetValue(model)!, result.GetValue(prompt)!, (int)(result.GetValue(tokens) ?? DefaultTokens), sampling,
                (int?)result.GetValue(heads), result.GetValue(json));
        });
        return command;
    }

    private static int Run(Device device, string path, string prompt, int maximum, SamplingOptions sampling, int? heads, bool json)
    {
        using Stream stream = device.CreateStream();
        using LoadedModel loaded = LoadedModel.Open(path, stream, heads);
        ITokenizer tokenizer = loaded.Tokenizer ?? Fallback(loaded);
        List<int> ids = [];
        tokenizer.Encode(Encoding.UTF8.GetBytes(prompt), ids);
        using Generator generator = new(loaded.Model, stream);
        TokenText text = new(tokenizer);
        StringBuilder written = new();
        int count = 0;
        Stopwatch clock = Stopwatch.StartNew();
        Emit(json ? string.Empty : prompt);
        foreach (int token in generator.Generate(ids, maximum, sampling, tokenizer.EndOfText))
        {
            count++;
            string piece = text.Next(token);
            written.Append(piece);
            Emit(json ? string.Empty : piece);
        }

        string rest = text.Finish();
        written.Append(rest);
        Emit(json ? string.Empty : rest);
        double seconds = clock.Elapsed.TotalSeconds;
        if (json)
        {
            JsonOutput.Write(Console.Out, new GenerateDocument(prompt, written.ToString(), count, seconds, count / seconds, loaded.WeightsPath));
        }
        else
        {
            Console.Out.WriteLine();
        }

        return ExitCodes.Ok;
    }

    private static void Emit(string piece)
    {
        Console.Out.Write(piece);
        Console.Out.Flush();
    }

    private static ByteTokenizer Fallback(LoadedModel loaded) => loaded.Model.Config.Vocab == 256
        ? new ByteTokenizer()
        : throw new InvalidFileException(
            loaded.WeightsPath, $"there is no tokenizer beside it for its {loaded.Model.Config.Vocab} tokens", "put vocab.json and merges.txt into its directory");
}

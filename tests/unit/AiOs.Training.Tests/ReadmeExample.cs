using AiOs.Models.Tokenizers;
using AiOs.Runtime;
using AiOs.Training.Data;
using AiOs.Training.Generation;
using AiOs.Training.Modules;

namespace AiOs.Training.Tests;

/// <summary>The example of README.md, compiled; ReadmeTests compares the two.</summary>
internal static class ReadmeExample
{
    public static void Run(string[] args)
    {
        // Train a small GPT on the bytes of some text files, then let it write.
        var tokenizer = new ByteTokenizer();
        TokenArray text = TextData.FromFiles(args, tokenizer);
        (TokenSlice train, TokenSlice validation) = TokenSlice.Split(text, block: 64);
        var options = new TrainerOptions
        {
            Model = new GptConfig { Layers = 2, Heads = 4, Embd = 64, Block = 64, Vocab = tokenizer.VocabularySize },
            Steps = 200,
            Batch = 8,
            LearningRate = 2e-3,
        };

        using Device device = Device.Open("cpu");
        using var trainer = new Trainer(device, options, train, validation, tokenizer);
        TrainingResult result = trainer.Run();
        Console.WriteLine($"loss {result.Loss:f3}, on text not seen {result.ValidationLoss:f3}");

        using var generator = new Generator(trainer.Model, trainer.Stream);
        int[] prompt = tokenizer.Encode("The ");
        int[] ids = generator.Generate(prompt, 100, new SamplingOptions { Temperature = 0.8 }).ToArray();
        Console.WriteLine(tokenizer.Decode(ids));
    }
}

using System.Globalization;
using AiOs.Cli.Corpus;
using AiOs.Cli.Options;
using AiOs.Models.Tokenizers;
using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training;
using AiOs.Training.Checkpoints;
using AiOs.Training.Data;
using AiOs.Training.Modules;
using AiOs.Training.Optimizers;

namespace AiOs.Cli.Runs;

/// <summary>
/// Turns what the command line said into a <see cref="TrainPlan"/>: fills in defaults, reads the shape of --init or the
/// configuration of --resume, opens the data, and refuses what contradicts them.
/// </summary>
internal static class TrainPlanner
{
    /// <summary>A checkpoint and an evaluation come at most this often, however short the run.</summary>
    private const long FewestStepsBetweenSaves = 100;
    private const long FewestStepsBetweenValidations = 20;
    private const string CheckpointFolder = "checkpoints";

    /// <summary>Decides the run.</summary>
    /// <exception cref="UsageException">Options contradict the files they name.</exception>
    /// <exception cref="AiOsException">A file cannot be used.</exception>
    public static TrainPlan Plan(TrainSettings settings)
    {
        settings.Validate();
        BackendChoice.Check(settings.Backend);
        return settings.Resume is null ? New(settings) : Resumed(settings, settings.Resume);
    }

    private static TrainPlan New(TrainSettings settings)
    {
        GptConfig? init = settings.Init is null ? null : ReadInit(settings.Init, settings);
        string order = settings.Order ?? TrainDefaults.Shuffle;
        long steps = settings.Steps ?? TrainDefaults.Steps;
        ITokenizer? tokenizer = settings.Tokens is null ? Tokenizer(settings.Tokenizer) : null;
        ITokenSource source = OpenData(settings.Tokens, settings.Data, tokenizer, settings.Vocab ?? init?.Vocab);
        int vocab = settings.Vocab ?? init?.Vocab ?? tokenizer?.VocabularySize ?? LargestToken(source) + 1;
        if (tokenizer is not null)
        {
            CheckVocabulary(vocab, tokenizer, settings);
        }

        return Complete(
            new TrainerOptions
            {
                Model = new GptConfig
                {
                    Layers = settings.Layers ?? init?.Layers ?? TrainDefaults.Layers,
                    Heads = settings.Heads ?? init?.Heads ?? TrainDefaults.Heads,
                    Embd = settings.Embd ?? init?.Embd ?? TrainDefaults.Embd,
                    Block = settings.Block ?? init?.Block ?? TrainDefaults.Block,
                    Vocab = vocab,
                    Dropout = (float)(settings.Dropout ?? TrainDefaults.Dropout),
                },
                DType = ToDType(settings.DType ?? TrainDefaults.DType),
                Steps = steps,
                Batch = settings.Batch ?? TrainDefaults.Batch,
                Accumulate = settings.Accumulate ?? TrainDefaults.Accumulate,
                LearningRate = settings.LearningRate ?? TrainDefaults.LearningRate,
                WeightDecay = settings.WeightDecay ?? TrainDefaults.WeightDecay,
                Beta1 = settings.Beta1 ?? TrainDefaults.Beta1,
                Beta2 = settings.Beta2 ?? TrainDefaults.Beta2,
                Warmup = settings.Warmup ?? TrainDefaults.Warmup(steps, order),
                Schedule = ToSchedule(settings.Schedule ?? TrainDefaults.Schedule(order)),
                GradClip = settings.GradClip ?? TrainDefaults.GradClip,
                Order = ToOrder(order),
                Seed = (ulong)(settings.Seed ?? TrainDefaults.Seed),
                ValidateEvery = Math.Max(FewestStepsBetweenValidations, steps / 12),
                SaveEvery = settings.SaveEvery ?? Math.Max(FewestStepsBetweenSaves, steps / 10),
                OutDirectory = Path.GetFullPath(settings.Out ?? TrainDefaults.Out),
                DataFiles = [.. settings.Data.Select(Path.GetFullPath)],
                TokensFile = settings.Tokens is null ? null : Path.GetFullPath(settings.Tokens),
            },
            source, tokenizer, settings) with
        { Init = settings.Init };
    }

    private static TrainPlan Resumed(TrainSettings settings, string directory)
    {
        Checkpoint checkpoint = Checkpoint.Find(directory);
        TrainerOptions stored = checkpoint.State.Options;
        RefuseContradictions(settings, stored, directory);
        long steps = settings.Steps ?? stored.Steps;
        if (steps < checkpoint.State.Step)
        {
            throw new UsageException($"--steps {steps} is less than the {checkpoint.State.Step} steps that {directory} has done; give more or leave it out");
        }

        bool other = settings.Data.Count > 0 || settings.Tokens is not null;
        string? tokens = other ? settings.Tokens : stored.TokensFile;
        IReadOnlyList<string> data = other ? settings.Data : stored.DataFiles;
        ITokenizer? tokenizer = tokens is null ? TokenizerFiles.TryLoad(checkpoint.Directory) ?? new ByteTokenizer() : null;
        TrainerOptions options = stored with
        {
            Steps = steps,
            SaveEvery = settings.SaveEvery ?? stored.SaveEvery,
            OutDirectory = Path.GetFullPath(settings.Out ?? OutOf(checkpoint, directory)),
            DataFiles = [.. data.Select(Path.GetFullPath)],
            TokensFile = tokens is null ? null : Path.GetFullPath(tokens),
        };
        return Complete(options, OpenData(tokens, data, tokenizer, stored.Model.Vocab), tokenizer, settings) with { Checkpoint = checkpoint };
    }

    private static TrainPlan Complete(TrainerOptions options, ITokenSource source, ITokenizer? tokenizer, TrainSettings settings)
    {
        options = options with { Graph = settings.Graph, PlanMemory = settings.PlanMemory };
        options.Validate();
        bool split = options.Order == DataOrder.Shuffle;
        (TokenSlice? training, TokenSlice? validation) = split ? TokenSlice.Split(source, options.Model.Block) : (null, null);
        return new TrainPlan
        {
            Options = options,
            Source = source,
            Training = training is null ? source : training,
            Validation = validation,
            Tokenizer = tokenizer,
            DataName = source.Name,
            Out = options.OutDirectory!,
        };
    }

    private static GptConfig ReadInit(string path, TrainSettings settings)
    {
        GptConfig config = GptWeights.ReadConfig(path, settings.Heads);
        string what = $"the weights in {path}";
        Same("--layers", settings.Layers, config.Layers, what);
        Same("--heads", settings.Heads, config.Heads, what);
        Same("--embd", settings.Embd, config.Embd, what);
        Same("--block", settings.Block, config.Block, what);
        Same("--vocab", settings.Vocab, config.Vocab, what);
        return config;
    }

    private static void RefuseContradictions(TrainSettings given, TrainerOptions stored, string directory)
    {
        string what = $"the run in {directory}";
        Same("--dtype", given.DType is null ? null : ToDType(given.DType), stored.DType, what);
        Same("--layers", given.Layers, stored.Model.Layers, what);
        Same("--heads", given.Heads, stored.Model.Heads, what);
        Same("--embd", given.Embd, stored.Model.Embd, what);
        Same("--block", given.Block, stored.Model.Block, what);
        Same("--vocab", given.Vocab, stored.Model.Vocab, what);
        Same("--dropout", (float?)given.Dropout, stored.Model.Dropout, what);
        Same("--batch", given.Batch, stored.Batch, what);
        Same("--accumulate", given.Accumulate, stored.Accumulate, what);
        Same("--lr", given.LearningRate, stored.LearningRate, what);
        Same("--weight-decay", given.WeightDecay, stored.WeightDecay, what);
        Same("--beta1", given.Beta1, stored.Beta1, what);
        Same("--beta2", given.Beta2, stored.Beta2, what);
        Same("--warmup", given.Warmup, stored.Warmup, what);
        Same("--grad-clip", given.GradClip, stored.GradClip, what);
        Same("--seed", (ulong?)given.Seed, stored.Seed, what);
        Same("--schedule", given.Schedule is null ? null : ToSchedule(given.Schedule), stored.Schedule, what);
        Same("--order", given.Order is null ? null : ToOrder(given.Order), stored.Order, what);
    }

    private static void Same<T>(string option, T? given, T stored, string what)
        where T : struct
    {
        if (given is { } value && !EqualityComparer<T>.Default.Equals(value, stored))
        {
            throw new UsageException(string.Create(CultureInfo.InvariantCulture,
                $"{option} {Word(value)} contradicts {what}, which has {Word(stored)}; leave the option out"));
        }
    }

    private static string Word<T>(T value)
        where T : struct => Convert.ToString(value, CultureInfo.InvariantCulture)!.ToLowerInvariant();

    private static string OutOf(Checkpoint checkpoint, string directory)
    {
        string parent = Path.GetDirectoryName(Path.GetFullPath(checkpoint.Directory))!;
        return Path.GetFileName(parent) == CheckpointFolder ? Path.GetDirectoryName(parent)! : directory;
    }

    private static ITokenizer Tokenizer(string? directory) => directory is null
        ? new ByteTokenizer()
        : TokenizerFiles.TryLoad(directory) ?? throw new InvalidFileException(
            directory, "there is no vocab.json and merges.txt in it", "name the directory of a GPT-2 tokenizer");

    private static ITokenSource OpenData(string? tokens, IReadOnlyList<string> files, ITokenizer? tokenizer, int? vocab)
    {
        if (tokens is not null)
        {
            return TokenFile.Open(tokens, vocab ?? TokenFile.MaxVocabulary);
        }

        return files.Count > 0
            ? TextData.FromFiles(files, tokenizer!)
            : TextData.FromBytes("the repository's own text", [PackedText.Read()], tokenizer!);
    }

    private static void CheckVocabulary(int vocab, ITokenizer tokenizer, TrainSettings settings)
    {
        if (vocab < tokenizer.VocabularySize)
        {
            throw new UsageException($"--vocab {vocab} is less than the tokenizer's {tokenizer.VocabularySize} tokens; leave it out or give at least that");
        }

        if (vocab > tokenizer.VocabularySize && settings.Vocab is null)
        {
            throw new UsageException(
                $"--init {settings.Init} knows {vocab} tokens and the tokenizer {tokenizer.VocabularySize}; give the model's with --tokenizer DIR");
        }
    }

    private static int LargestToken(ITokenSource source)
    {
        int largest = 0;
        int[] buffer = new int[1 << 16];
        for (long start = 0; start < source.Length; start += buffer.Length)
        {
            Span<int> part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, source.Length - start));
            source.Read(start, part);
            foreach (int token in part)
            {
                largest = Math.Max(largest, token);
            }
        }

        return largest;
    }

    private static DType ToDType(string word) => word == TrainDefaults.BFloat16 ? DType.BF16 : DType.F32;

    private static ScheduleKind ToSchedule(string word) => word switch
    {
        TrainDefaults.Cosine => ScheduleKind.Cosine,
        TrainDefaults.Linear => ScheduleKind.Linear,
        _ => ScheduleKind.Constant,
    };

    private static DataOrder ToOrder(string word) => word == TrainDefaults.Sequential ? DataOrder.Sequential : DataOrder.Shuffle;
}

using System.CommandLine;
using System.Globalization;
using static AiOs.Cli.Options.OptionFactory;

namespace AiOs.Cli.Options;

/// <summary>The options of <c>aios train</c>: names, ranges, descriptions, and how they become <see cref="TrainSettings"/>.</summary>
internal sealed class TrainOptionSet
{
    /// <summary>Tokens are stored in 16 bits.</summary>
    private const int MaximumVocab = 65536;

    private readonly Option<string[]> _data = new("--data")
    {
        HelpName = "FILE",
        Description = "Text files to learn from, one or more [default: the repository's own text, packed into the command]",
        AllowMultipleArgumentsPerToken = true,
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string?> _tokens = Text("--tokens", "FILE.bin", "Tokens to learn from instead of text: a flat file of little-endian uint16");
    private readonly Option<string?> _tokenizer = Text("--tokenizer", "DIR", "Directory with GPT-2's vocab.json and merges.txt for --data", "bytes");
    private readonly Option<string?> _dtype = Word("--dtype", "Numbers of the model; with bf16 the optimizer keeps them in f32 besides",
        [TrainDefaults.DType, TrainDefaults.BFloat16], TrainDefaults.DType);

    private readonly Option<long?> _layers = Whole("--layers", "Transformer blocks", 1, 1000, Show(TrainDefaults.Layers));
    private readonly Option<long?> _heads = Whole("--heads", "Attention heads per block; divides --embd", 1, 1024, Show(TrainDefaults.Heads));
    private readonly Option<long?> _embd = Whole("--embd", "Width of the model", 1, 65536, Show(TrainDefaults.Embd));
    private readonly Option<long?> _block = Whole("--block", "Tokens of context", 1, 1 << 20, Show(TrainDefaults.Block));
    private readonly Option<long?> _batch = Whole("--batch", "Sequences per step, all micro-batches together", 1, 1 << 20, Show(TrainDefaults.Batch));
    private readonly Option<long?> _accumulate = Whole("--accumulate", "Does the batch in N equal micro-batches, to save memory", 1, 1 << 20, Show(TrainDefaults.Accumulate));
    private readonly Option<long?> _vocab = Whole("--vocab", "Tokens the model knows", 1, MaximumVocab, "the tokenizer's; with --tokens the largest token plus one");
    private readonly Option<long?> _steps = Whole("--steps", "Updates of the whole run, the resumed part included", 1, 1_000_000_000, Show(TrainDefaults.Steps));
    private readonly Option<double?> _learningRate = Number("--lr", "Peak learning rate", 0, 1000, defaultText: Show(TrainDefaults.LearningRate));
    private readonly Option<double?> _weightDecay = Number("--weight-decay", "Decoupled decay of the matrices", 0, 1000, defaultText: Show(TrainDefaults.WeightDecay));
    private readonly Option<double?> _beta1 = Number("--beta1", "AdamW's decay of the mean", 0, 1, exclusive: true, Show(TrainDefaults.Beta1));
    private readonly Option<double?> _beta2 = Number("--beta2", "AdamW's decay of the mean square", 0, 1, exclusive: true, Show(TrainDefaults.Beta2));
    private readonly Option<long?> _warmup = Whole("--warmup", "Steps in which the learning rate rises to its peak", 0, 1_000_000_000, "steps/20; 0 with --order sequential");
    private readonly Option<string?> _schedule = Word("--schedule", "Course of the learning rate down to a tenth of the peak at the last step",
        [TrainDefaults.Cosine, TrainDefaults.Linear, TrainDefaults.Constant], "cosine; constant with --order sequential");

    private readonly Option<double?> _gradClip = Number("--grad-clip", "Largest global norm of the gradient; 0 does not clip", 0, 1e30, defaultText: Show(TrainDefaults.GradClip));
    private readonly Option<double?> _dropout = Number("--dropout", "Part of the activations dropped in training", 0, 1, exclusive: true, Show(TrainDefaults.Dropout));
    private readonly Option<string?> _order = Word("--order", "Order of the windows of data; sequential uses all of it and validates on none",
        [TrainDefaults.Shuffle, TrainDefaults.Sequential], TrainDefaults.Shuffle);

    private readonly Option<long?> _seed = Whole("--seed", "Seed of the weights, the order and the dropout", 0, long.MaxValue, Show(TrainDefaults.Seed));
    private readonly Option<string?> _init = Text("--init", "FILE.safetensors", "Weights to start from, with the names of Hugging Face GPT-2; the shape comes from the file");
    private readonly Option<string?> _out = Text("--out", "DIR", "Directory of checkpoints and report.html", TrainDefaults.Out + ", or what --resume names");
    private readonly Option<long?> _saveEvery = Whole("--save-every", "Saves a checkpoint every N steps besides the last", 1, 1_000_000_000, "a tenth of the steps, at least 100");
    private readonly Option<string?> _resume = Text("--resume", "DIR", "Continues the run in this --out directory (or this checkpoint) exactly; its configuration holds");
    private readonly Option<string?> _logJson = Text("--log-json", "FILE", "One JSON object per step: step (from 0), loss, grad_norm, lr, ms, tokens_per_s");
    private readonly Option<string?> _memorySnapshot = Text("--memory-snapshot", "FILE", "Records the memory and writes how it was used: an HTML page when FILE ends in .html, else a pickle for PyTorch's memory_viz");
    private readonly Option<bool> _graph = new("--graph") { Description = "Records the work of a step once and replays it: the same bits, and less of the host's time" };
    private readonly Option<bool> _planMemory = new("--plan-memory") { Description = "Gives the memory of a step places that are computed once: the same bits; not with --graph" };
    private readonly Option<string?> _trace = Text("--trace", "FILE", "Writes a timeline of streams, ops, copies and memory for ui.perfetto.dev or chrome://tracing");
    private readonly Option<string?> _backend = CommonOptions.Backend();
    private readonly Option<long?> _threads = CommonOptions.Threads();
    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>All of them, in the order of the help.</summary>
    public IEnumerable<Option> All =>
    [
        _data, _tokens, _tokenizer, _dtype, _layers, _heads, _embd, _block, _batch, _accumulate, _vocab, _steps, _learningRate, _weightDecay, _beta1, _beta2, _warmup,
        _schedule, _gradClip, _dropout, _order, _seed, _init, _out, _saveEvery, _resume, _logJson, _graph, _planMemory, _trace, _memorySnapshot, _backend, _threads, _json,
    ];

    /// <summary>Those that say what is computed in a step.</summary>
    public IEnumerable<Option> Step => [_dtype, _layers, _heads, _embd, _block, _batch, _accumulate, _vocab, _gradClip, _dropout, _seed];

    /// <summary>What was given.</summary>
    public TrainSettings Read(ParseResult result) => new()
    {
        Data = result.GetValue(_data) ?? [],
        Tokens = result.GetValue(_tokens),
        Tokenizer = result.GetValue(_tokenizer),
        DType = result.GetValue(_dtype),
        Layers = (int?)result.GetValue(_layers),
        Heads = (int?)result.GetValue(_heads),
        Embd = (int?)result.GetValue(_embd),
        Block = (int?)result.GetValue(_block),
        Batch = (int?)result.GetValue(_batch),
        Accumulate = (int?)result.GetValue(_accumulate),
        Vocab = (int?)result.GetValue(_vocab),
        Steps = result.GetValue(_steps),
        LearningRate = result.GetValue(_learningRate),
        WeightDecay = result.GetValue(_weightDecay),
        Beta1 = result.GetValue(_beta1),
        Beta2 = result.GetValue(_beta2),
        Warmup = result.GetValue(_warmup),
        Schedule = result.GetValue(_schedule),
        GradClip = result.GetValue(_gradClip),
        Dropout = result.GetValue(_dropout),
        Order = result.GetValue(_order),
        Seed = result.GetValue(_seed),
        Init = result.GetValue(_init),
        Out = result.GetValue(_out),
        SaveEvery = result.GetValue(_saveEvery),
        Resume = result.GetValue(_resume),
        LogJson = result.GetValue(_logJson),
        MemorySnapshot = result.GetValue(_memorySnapshot),
        Graph = result.GetValue(_graph),
        PlanMemory = result.GetValue(_planMemory),
        Trace = result.GetValue(_trace),
        Backend = result.GetValue(_backend),
        Threads = (int?)result.GetValue(_threads),
        Json = result.GetValue(_json),
    };

    private static string Show(double value) => value.ToString(CultureInfo.InvariantCulture);
}

namespace AiOs.Cli.Options;

/// <summary>What the command line of <c>aios train</c> said; null is "not given".</summary>
internal sealed record TrainSettings
{
    public IReadOnlyList<string> Data { get; init; } = [];
    public string? Tokens { get; init; }
    public string? Tokenizer { get; init; }
    public string? DType { get; init; }
    public int? Layers { get; init; }
    public int? Heads { get; init; }
    public int? Embd { get; init; }
    public int? Block { get; init; }
    public int? Vocab { get; init; }
    public int? Batch { get; init; }
    public int? Accumulate { get; init; }
    public long? Steps { get; init; }
    public double? LearningRate { get; init; }
    public double? WeightDecay { get; init; }
    public double? Beta1 { get; init; }
    public double? Beta2 { get; init; }
    public long? Warmup { get; init; }
    public string? Schedule { get; init; }
    public double? GradClip { get; init; }
    public double? Dropout { get; init; }
    public string? Order { get; init; }
    public string? Backend { get; init; }
    public long? Seed { get; init; }
    public int? Threads { get; init; }
    public string? Init { get; init; }
    public string? Out { get; init; }
    public long? SaveEvery { get; init; }
    public string? Resume { get; init; }
    public string? LogJson { get; init; }
    public string? MemorySnapshot { get; init; }
    public bool Graph { get; init; }
    public bool PlanMemory { get; init; }
    public string? Trace { get; init; }
    public bool Json { get; init; }

    /// <summary>Finds options that contradict each other, before anything is opened or written.</summary>
    /// <exception cref="UsageException">Two options contradict each other.</exception>
    public void Validate()
    {
        if (Tokens is not null && Data.Count > 0)
        {
            throw new UsageException("--tokens and --data both name the data; give one of them");
        }

        if (Graph && PlanMemory)
        {
            throw new UsageException("--plan-memory has nothing to plan with --graph, whose replayed steps allocate nothing; drop one of them");
        }

        if (Tokens is not null && Tokenizer is not null)
        {
            throw new UsageException("--tokenizer has nothing to do with --tokens, which holds tokens already; drop one of them");
        }

        if (Resume is not null && Init is not null)
        {
            throw new UsageException("--resume takes the weights from its checkpoint; drop --init");
        }

        if (Resume is not null && Tokenizer is not null)
        {
            throw new UsageException("--resume takes the tokenizer from its checkpoint; drop --tokenizer");
        }

        if (Init is null && Embd is { } || Heads is { })
        {
            int embd = Embd ?? TrainDefaults.Embd;
            int heads = Heads ?? TrainDefaults.Heads;
            if (Resume is null && (Init is null || Embd is not null) && embd % heads != 0)
            {
                throw new UsageException($"--embd {embd} is not a multiple of --heads {heads}; every head gets an equal share");
            }
        }

        if (Resume is null && Accumulate is { } parts && (Batch ?? TrainDefaults.Batch) % parts != 0)
        {
            throw new UsageException($"--batch {Batch ?? TrainDefaults.Batch} is not a multiple of --accumulate {parts}; the micro-batches are equal");
        }
    }
}

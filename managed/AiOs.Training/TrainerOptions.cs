using System.Text.Json.Serialization;
using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Data;
using AiOs.Training.Modules;
using AiOs.Training.Optimizers;

namespace AiOs.Training;

/// <summary>Everything that decides what a run computes, and where it leaves it.</summary>
public sealed record TrainerOptions
{
    /// <summary>The shape of the model.</summary>
    public required GptConfig Model { get; init; }

    /// <summary>
    /// Type of parameters, activations and gradients. With BF16 the optimizer updates binary32 masters of the parameters,
    /// and sums that need it stay binary32; see docs/design/training.md.
    /// </summary>
    public DType DType { get; init; } = DType.F32;

    /// <summary>Steps of the whole run.</summary>
    public required long Steps { get; init; }

    /// <summary>Windows of one step, over all its micro-batches.</summary>
    public int Batch { get; init; } = 8;

    /// <summary>Equal micro-batches that a step's batch is computed in; must divide <see cref="Batch"/>.</summary>
    public int Accumulate { get; init; } = 1;

    /// <summary>Highest learning rate.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>Decoupled weight decay of parameters of two or more dimensions.</summary>
    public double WeightDecay { get; init; } = 0.1;

    /// <summary>Decay of AdamW's first moments.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of AdamW's second moments.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>Steps of learning-rate warm-up.</summary>
    public long Warmup { get; init; }

    /// <summary>The learning rate after the warm-up.</summary>
    public ScheduleKind Schedule { get; init; } = ScheduleKind.Constant;

    /// <summary>Greatest gradient norm that is let through; 0 for no limit.</summary>
    public double GradClip { get; init; } = 1.0;

    /// <summary>Order of the training windows.</summary>
    public DataOrder Order { get; init; } = DataOrder.Shuffle;

    /// <summary>Seed of the initial weights, the order of the data and dropout.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Steps between validations; 0 for one at the end only. Without validation data there is none.</summary>
    public long ValidateEvery { get; init; }

    /// <summary>
    /// Batches of one validation, spread evenly over the validation windows; 0 for all windows. The validation at the
    /// end always takes all.
    /// </summary>
    public int ValidationBatches { get; init; } = 16;

    /// <summary>
    /// Records the work of a step once and replays it from then on, which costs the host a fraction of the time. The
    /// bits of the run are the same, so checkpoints do not say how it was made.
    /// </summary>
    [JsonIgnore]
    public bool Graph { get; init; }

    /// <summary>
    /// Gives the blocks of a step places that are computed once, when two steps have allocated the same
    /// (<see cref="StepPlan"/>). The bits of the run are the same. Not with <see cref="Graph"/>, whose replayed steps
    /// allocate nothing.
    /// </summary>
    [JsonIgnore]
    public bool PlanMemory { get; init; }

    /// <summary>Where checkpoints go; null for none.</summary>
    public string? OutDirectory { get; init; }

    /// <summary>Steps between checkpoints; 0 for one at the end only.</summary>
    public long SaveEvery { get; init; }

    /// <summary>The text files the tokens come from, for whoever resumes the run; the trainer does not open them.</summary>
    public IReadOnlyList<string> DataFiles { get; init; } = [];

    /// <summary>The token file, for whoever resumes the run; the trainer does not open it.</summary>
    public string? TokensFile { get; init; }

    /// <summary>Refuses values that make no run.</summary>
    /// <exception cref="AiOsException">A value is out of range.</exception>
    public void Validate()
    {
        Model.Validate();
        Require(DType is DType.F32 or DType.BF16, $"--dtype {DType} cannot be trained in; use F32 or BF16");
        Require(Steps >= 0, $"--steps {Steps} makes no run; use 0 or more");
        Require(Batch >= 1, $"--batch {Batch} makes no step; use 1 or more");
        Require(
            Accumulate >= 1 && Batch % Accumulate == 0,
            $"--batch {Batch} does not come in --accumulate {Accumulate} equal parts; use a number that divides it");
        Require((long)Batch * Model.Block <= int.MaxValue, $"--batch {Batch} of --block {Model.Block} is too large; use less of either");
        Require(double.IsFinite(GradClip), $"--grad-clip {GradClip} is no number; use 0 for no limit or a number such as 1");
        Require(Warmup >= 0, $"--warmup {Warmup} makes no sense; use 0 or more");
        Require(!(Graph && PlanMemory), "--plan-memory has nothing to plan with --graph, whose replayed steps allocate nothing; drop one of them");
        Require(ValidateEvery >= 0 && ValidationBatches >= 0 && SaveEvery >= 0, "--save-every and the validation settings must be 0 or more");
    }

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new AiOsException(message);
        }
    }
}

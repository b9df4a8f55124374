using System.Diagnostics;
using System.Text.Json;
using AiOs.Models.Formats;
using AiOs.Models.Tokenizers;
using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Checkpoints;
using AiOs.Training.Data;
using AiOs.Training.Modules;
using AiOs.Training.Optimizers;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training;

/// <summary>
/// Trains a <see cref="Gpt"/> with <see cref="AdamW"/>. A run is a function of its options and data: the same ones give
/// the same bits, on any number of threads, and whether it was interrupted and resumed or not.
/// </summary>
public sealed class Trainer : IDisposable
{
    private readonly ITokenSource _data;
    private readonly ITokenizer? _tokenizer;
    private readonly DataIdentity _identity;
    private readonly LearningRateSchedule _schedule;
    private readonly WindowOrder _order;
    private readonly CheckpointStore? _store;
    private readonly Stack<IDisposable> _owned = new();
    private readonly AdamW _optimizer;
    private readonly StepRunner _runner;
    private readonly Validator? _validator;
    private readonly Stopwatch _clock = new();
    private string? _lastCheckpoint;
    private bool _continues;

    /// <summary>Makes a run at step 0 with random weights.</summary>
    /// <param name="device">The device that computes; it outlives the trainer.</param>
    /// <param name="options">What to compute.</param>
    /// <param name="data">Training tokens, all below the model's vocabulary. The caller disposes them.</param>
    /// <param name="validation">Validation tokens; null for no validation.</param>
    /// <param name="tokenizer">Saved with checkpoints so that they can generate text; null for none.</param>
    /// <exception cref="AiOsException">An option is out of range, or there are too few tokens.</exception>
    public Trainer(
        Device device, TrainerOptions options, ITokenSource data, ITokenSource? validation = null, ITokenizer? tokenizer = null)
        : this(device, options, data, validation, tokenizer, random: true)
    {
    }

    private Trainer(
        Device device, TrainerOptions options, ITokenSource data, ITokenSource? validation, ITokenizer? tokenizer, bool random)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(data);
        options.Validate();
        (Options, Device, _data, _tokenizer) = (options, device, data, tokenizer);
        _schedule = new LearningRateSchedule(options.Schedule, options.LearningRate, options.Warmup, options.Steps);
        _order = new WindowOrder(data, options.Model.Block, options.Order, options.Seed);
        _identity = TokenSample.Identify(data);
        _store = options.OutDirectory is { } directory ? new CheckpointStore(directory) : null;
        try
        {
            Stream = Own(device.CreateStream(new StreamOptions { Name = "train" }));
            Model = Own(random
                ? new Gpt(Stream, options.Model, options.Seed, options.DType)
                : Gpt.WithoutWeights(Stream, options.Model, options.DType));
            _optimizer = Own(new AdamW(Model.Parameters, Stream, new AdamWOptions
            {
                Beta1 = options.Beta1,
                Beta2 = options.Beta2,
                WeightDecay = options.WeightDecay,
            }));
            _runner = Own(new StepRunner(Stream, Model, _optimizer, options));
            _validator = validation is null ? null : new Validator(Stream, Model, validation, _runner.Rows);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What the run computes.</summary>
    public TrainerOptions Options { get; }

    /// <summary>The device that computes.</summary>
    public Device Device { get; }

    /// <summary>The stream of the model.</summary>
    public Stream Stream { get; }

    /// <summary>The model; it belongs to the trainer.</summary>
    public Gpt Model { get; }

    /// <summary>Steps done.</summary>
    public long Step { get; private set; }

    /// <summary>What replaying a recorded step saves; null before one was recorded, see <see cref="TrainerOptions.Graph"/>.</summary>
    public GraphReport? GraphReport => _runner.GraphReport;

    /// <summary>What the plan of the steps' memory is and has done; null without <see cref="TrainerOptions.PlanMemory"/>.</summary>
    public StepPlanReport? PlanReport => _runner.PlanReport;

    /// <summary>A run that starts from a file, as after <see cref="LoadWeights"/>, but without drawing random weights first.</summary>
    /// <param name="path">A safetensors file with the names of Hugging Face's GPT-2.</param>
    /// <param name="device">The device that computes.</param>
    /// <param name="options">What to compute.</param>
    /// <param name="data">The training data.</param>
    /// <param name="validation">The validation data; null for none.</param>
    /// <param name="tokenizer">Saved with checkpoints so that they can generate text; null for none.</param>
    /// <returns>The run, which the caller disposes.</returns>
    /// <exception cref="AiOsException">As of the constructor and of <see cref="LoadWeights"/>.</exception>
    public static Trainer FromWeights(
        string path, Device device, TrainerOptions options, ITokenSource data, ITokenSource? validation = null, ITokenizer? tokenizer = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Filled(new Trainer(device, options, data, validation, tokenizer, random: false), trainer => trainer.LoadWeights(path));
    }

    /// <summary>A run that goes on, as after <see cref="Resume"/>, but without drawing random weights first.</summary>
    /// <param name="checkpoint">From <see cref="Checkpoint.Find"/>.</param>
    /// <param name="device">The device that computes.</param>
    /// <param name="options">What to compute.</param>
    /// <param name="data">The training data.</param>
    /// <param name="validation">The validation data; null for none.</param>
    /// <param name="tokenizer">Saved with checkpoints so that they can generate text; null for none.</param>
    /// <returns>The run, which the caller disposes.</returns>
    /// <exception cref="AiOsException">As of the constructor and of <see cref="Resume"/>.</exception>
    public static Trainer FromCheckpoint(
        Checkpoint checkpoint, Device device, TrainerOptions options, ITokenSource data, ITokenSource? validation = null, ITokenizer? tokenizer = null)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        return Filled(new Trainer(device, options, data, validation, tokenizer, random: false), trainer => trainer.Resume(checkpoint));
    }

    /// <summary>Takes the weights, and nothing else, from a safetensors file with the names of Hugging Face's GPT-2.</summary>
    /// <exception cref="InvalidFileException">The file is broken or holds a model of another shape.</exception>
    public void LoadWeights(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        GptWeights.Load(Model, file, Stream, _optimizer.Masters);
    }

    /// <summary>Goes to where a checkpoint was made: weights, optimizer and step.</summary>
    /// <param name="checkpoint">From <see cref="Checkpoint.Find"/>.</param>
    /// <exception cref="AiOsException">It is of another model or of other data, or damaged.</exception>
    public void Resume(Checkpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        TrainerState state = checkpoint.State;
        if (state.Options.Model with { Dropout = 0 } != Options.Model with { Dropout = 0 })
        {
            throw new InvalidFileException(
                checkpoint.Directory, "it is of a model of another shape", "resume with the shape it was made with");
        }

        if (state.Options.DType != Options.DType)
        {
            throw new InvalidFileException(
                checkpoint.Directory, $"it is of a run in {state.Options.DType}, not in {Options.DType}", "resume with the type it was made with");
        }

        if (state.Data != _identity)
        {
            throw new InvalidFileException(
                checkpoint.Directory, $"it was trained on other data ({state.Data.Tokens} tokens; these are {_identity.Tokens})",
                "give the same data, or start a new run with --init from its model.safetensors");
        }

        using (SafetensorsFile moments = SafetensorsFile.Open(Path.Combine(checkpoint.Directory, Checkpoint.OptimizerName)))
        {
            GptWeights.Load(Model, Path.Combine(checkpoint.Directory, Checkpoint.ModelName), Stream);
            foreach ((string name, Tensor value) in _optimizer.State)
            {
                TensorItems.Load(moments, moments.Find(name), value, Stream);
            }
        }

        Step = _optimizer.Steps = state.Step;
        _lastCheckpoint = checkpoint.Directory;
        _continues = _store?.Holds(checkpoint) ?? false;
    }

    /// <summary>
    /// Runs to the last step. A cancelled run finishes its step, saves a checkpoint when there is a directory for them,
    /// and returns.
    /// </summary>
    /// <param name="observer">Watches; null for nobody.</param>
    /// <param name="cancellationToken">Ends the run early.</param>
    /// <exception cref="AiOsException">
    /// The loss is not finite, or a checkpoint cannot be written. The checkpoints written before stay.
    /// </exception>
    public TrainingResult Run(ITrainingObserver? observer = null, CancellationToken cancellationToken = default)
    {
        _store?.Prepare();
        long left = Math.Max(0, Options.Steps - Step);
        var progress = new Progress(observer);
        using var loader = new BatchLoader(
            Device, _data, _order, _runner.Rows, Step * Options.Accumulate, checked(left * Options.Accumulate),
            depth: (2 * Options.Accumulate) + 2);
        _clock.Restart();
        try
        {
            while (Step < Options.Steps && !cancellationToken.IsCancellationRequested)
            {
                if (_runner.IsFull)
                {
                    Report(loader, progress);
                    continue;
                }

                using (TrainingTelemetry.Activities.StartActivity("step"))
                {
                    _runner.Enqueue(loader, Step, _schedule.At(Step));
                }

                Step++;
                Pause(loader, progress);
            }

            Finish(loader, progress);
        }
        catch
        {
            // The loader's buffers may go only after the copies from them have run.
            _runner.Abandon();
            throw;
        }

        if (_store is not null && progress.Steps > 0 && progress.Saved != Step)
        {
            Save(progress);
        }

        return new TrainingResult(Step, Step >= Options.Steps, progress.Loss, progress.ValidationLoss);
    }

    /// <summary>The mean cross-entropy on the validation data, in nats per token; null when there are none.</summary>
    /// <param name="batches">How many batches, spread evenly over the data; 0 for all of them.</param>
    public double? Validate(int batches = 0) => _validator?.Measure(batches);

    /// <summary>Writes a checkpoint of the run as it is now.</summary>
    /// <returns>Its directory.</returns>
    /// <exception cref="AiOsException">It cannot be written, or the options name no directory.</exception>
    public string SaveCheckpoint()
    {
        using Activity? activity = TrainingTelemetry.Activities.StartActivity("checkpoint");
        CheckpointStore store = _store ?? throw new AiOsException("there is no directory for checkpoints; name one with --out");
        var state = new TrainerState { Step = Step, Options = Options, Data = _identity };
        _lastCheckpoint = store.Save(Step, _continues, writer =>
        {
            writer.Add(Checkpoint.ModelName, s => SafetensorsWriter.Write(s, GptWeights.Items(Model, Stream), GptWeights.Metadata));
            writer.Add(
                Checkpoint.OptimizerName,
                s => SafetensorsWriter.Write(s, [.. _optimizer.State.Select(t => TensorItems.Of(t.Name, t.Value, Stream))]));
            writer.Add(HuggingFaceConfig.Name, s => HuggingFaceConfig.Write(s, Options.Model, Options.DType));
            _tokenizer?.Save(writer.Add);
            writer.Add(Checkpoint.TrainerName, s => JsonSerializer.Serialize(s, state, CheckpointJson.Default.TrainerState));
        });
        _continues = true;
        return _lastCheckpoint;
    }

    /// <summary>Frees everything the run holds on the device.</summary>
    public void Dispose()
    {
        while (_owned.TryPop(out IDisposable? resource))
        {
            resource.Dispose();
        }
    }

    /// <summary>Reads the weights of a trainer that has none yet; nobody sees it when that fails.</summary>
    private static Trainer Filled(Trainer trainer, Action<Trainer> read)
    {
        try
        {
            read(trainer);
            return trainer;
        }
        catch
        {
            trainer.Dispose();
            throw;
        }
    }

    private T Own<T>(T resource)
        where T : IDisposable
    {
        _owned.Push(resource);
        return resource;
    }

    /// <summary>Validates and saves when the step just enqueued is followed by that.</summary>
    private void Pause(BatchLoader loader, Progress progress)
    {
        bool last = Step == Options.Steps;
        bool validate = _validator is not null && (last || IsDue(Options.ValidateEvery));
        bool save = _store is not null && IsDue(Options.SaveEvery);
        if (!validate && !save)
        {
            return;
        }

        Finish(loader, progress);
        if (validate)
        {
            using Activity? activity = TrainingTelemetry.Activities.StartActivity("validation");
            progress.ValidationLoss = _validator!.Measure(last ? 0 : Options.ValidationBatches);
            progress.Observer?.OnValidation(new ValidationRecord(Step, progress.ValidationLoss.Value));
        }

        if (save)
        {
            Save(progress);
        }

        _clock.Restart();
    }

    private bool IsDue(long every) => every > 0 && Step % every == 0;

    private void Save(Progress progress)
    {
        string directory = SaveCheckpoint();
        progress.Saved = Step;
        progress.Observer?.OnCheckpoint(directory);
    }

    private void Finish(BatchLoader loader, Progress progress)
    {
        while (_runner.Pending > 0)
        {
            Report(loader, progress);
        }
    }

    private void Report(BatchLoader loader, Progress progress)
    {
        StepResult result = _runner.Complete(loader);
        double milliseconds = _clock.Elapsed.TotalMilliseconds;
        _clock.Restart();
        RequireFinite("loss", result.Step, result.Loss);
        RequireFinite("gradient norm", result.Step, result.GradNorm);
        progress.Loss = result.Loss;
        progress.Steps++;
        double tokens = (double)Options.Batch * Options.Model.Block;
        TrainingTelemetry.Step(milliseconds, (long)tokens);
        progress.Observer?.OnStep(new StepRecord(
            result.Step, result.Loss, result.GradNorm, result.LearningRate, milliseconds, tokens / milliseconds * 1000,
            Device.Memory.Statistics.ReservedBytes));
    }

    private void RequireFinite(string what, long step, double value)
    {
        if (!double.IsFinite(value))
        {
            string kept = _lastCheckpoint is null ? "no checkpoint was saved" : $"the last checkpoint is {_lastCheckpoint}";
            throw new AiOsException(
                $"the {what} of step {step} is {(double.IsNaN(value) ? "not a number" : "infinite")} ({kept}); " +
                "lower --lr, raise --warmup or set --grad-clip");
        }
    }

    /// <summary>What a run has come to.</summary>
    private sealed class Progress(ITrainingObserver? observer)
    {
        public ITrainingObserver? Observer => observer;

        public long Steps { get; set; }

        public double Loss { get; set; } = double.NaN;

        public double? ValidationLoss { get; set; }

        public long Saved { get; set; } = -1;
    }
}

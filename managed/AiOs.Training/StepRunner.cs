using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Data;
using AiOs.Training.Modules;
using AiOs.Training.Optimizers;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training;

/// <summary>What the device computed in one step.</summary>
internal readonly record struct StepResult(long Step, double Loss, double GradNorm, double LearningRate);

/// <summary>
/// Enqueues training steps and reads their results back later: while one step runs, the next is already being
/// enqueued, so that the device never waits for the host. With <see cref="TrainerOptions.Graph"/> the work of a step is
/// recorded once, after steps that give gradients and tables their places, and replayed from then on; what depends on
/// the step (the batch, random numbers, the update) is given its values before each launch. With
/// <see cref="TrainerOptions.PlanMemory"/> the places of a step's blocks are those that were computed for it.
/// </summary>
internal sealed class StepRunner : IDisposable
{
    /// <summary>Steps in flight at most.</summary>
    private const int Depth = 2;

    /// <summary>Steps that are enqueued op by op before one is recorded.</summary>
    private const int StepsBeforeGraph = 2;

    private readonly Stream _stream;
    private readonly Gpt _model;
    private readonly Optimizer _optimizer;
    private readonly GradientClipper _clipper;
    private readonly Tape _tape;
    private readonly int _parts;
    private readonly ulong _seed;
    private readonly Tensor _ids;
    private readonly Tensor _targets;
    private readonly Slot[] _slots;
    private readonly TokenBatch[] _batches;
    private readonly nint[] _results;
    private readonly Action<Stream>[] _copyBatch;
    private readonly Action<Stream>[] _copyResult;
    private readonly Action<Stream> _update;
    private readonly bool _records;
    private readonly StepPlan? _plan;
    private Graph? _graph;
    private long _recordedStep;
    private long _step;
    private double _learningRate;
    private long _enqueued;
    private long _completed;

    public StepRunner(Stream stream, Gpt model, Optimizer optimizer, TrainerOptions options)
    {
        (_stream, _model, _optimizer) = (stream, model, optimizer);
        (_parts, _seed) = (options.Accumulate, options.Seed);
        foreach (Parameter parameter in model.Parameters)
        {
            parameter.Value.ReserveGrad(stream); // What stays lies together, and leaves the steps one large piece.
        }

        _clipper = new GradientClipper(model.Parameters, stream, options.GradClip);
        _tape = new Tape(stream);
        Rows = options.Batch / options.Accumulate;
        _ids = Tensor.Empty(stream, DType.I32, Rows, options.Model.Block);
        _targets = Tensor.Empty(stream, DType.I32, Rows, options.Model.Block);
        _batches = new TokenBatch[_parts];
        _results = new nint[_parts + 1];
        _records = options.Graph;
        _plan = options.PlanMemory ? stream.Device.Memory.PlanSteps(stream) : null;

        // Made once: a step makes no managed object.
        _copyBatch = [.. Enumerable.Range(0, _parts).Select(part => (Action<Stream>)(s => CopyBatch(part, s)))];
        _copyResult = [.. Enumerable.Range(0, _parts + 1).Select(index => (Action<Stream>)(s => CopyResult(index, s)))];
        _update = _ => _optimizer.Step(_learningRate, _clipper);
        _slots = [.. Enumerable.Range(0, Depth).Select(_ => new Slot(stream.Device, _parts))];
    }

    /// <summary>Windows of a micro-batch.</summary>
    public int Rows { get; }

    /// <summary>Steps enqueued whose results were not taken.</summary>
    public int Pending => (int)(_enqueued - _completed);

    /// <summary>True when the next step needs a result to be taken first.</summary>
    public bool IsFull => Pending == Depth;

    /// <summary>What replaying the recorded step saves; null without one.</summary>
    public GraphReport? GraphReport => _graph?.Report;

    /// <summary>What the plan of the steps' memory is and has done; null without one.</summary>
    public StepPlanReport? PlanReport => _plan?.Report;

    private Slot Current => _slots[_enqueued % Depth];

    /// <summary>Enqueues a step: forward and backward of each micro-batch, clipping, update.</summary>
    public void Enqueue(BatchLoader loader, long step, double learningRate)
    {
        (_step, _learningRate, _model.Training) = (step, learningRate, true);
        for (int part = 0; part < _parts; part++)
        {
            _batches[part] = loader.Next();
        }

        if (_graph is not null)
        {
            _tape.RandomShift = (step - _recordedStep) * _parts;
            _graph.Refresh();
        }
        else if (_records && _enqueued >= StepsBeforeGraph)
        {
            _recordedStep = step;
            _graph = Record();
        }

        if (_graph is null)
        {
            using StepScope scope = _plan?.Begin() ?? default;
            EnqueueWork();
        }
        else
        {
            _graph.Launch(_stream);
        }

        Slot slot = Current;
        _stream.Record(slot.Done);
        (slot.Step, slot.LearningRate) = (step, learningRate);
        _enqueued++;
    }

    /// <summary>Waits for the oldest step in flight, gives its batches back to the loader, and returns its results.</summary>
    /// <exception cref="BackendException">The device could not run the step.</exception>
    public StepResult Complete(BatchLoader loader)
    {
        Slot slot = _slots[_completed % Depth];
        slot.Done.Synchronize();

        // An event completes even when the work before it failed; asking the stream throws then.
        _ = _stream.IsIdle;
        _completed++;
        for (int part = 0; part < _parts; part++)
        {
            loader.Release();
        }

        ReadOnlySpan<float> results = slot.Results.ReadOnlySpan;
        double loss = 0;
        foreach (float partLoss in results[.._parts])
        {
            loss += partLoss;
        }

        return new StepResult(slot.Step, loss / _parts, results[_parts], slot.LearningRate);
    }

    /// <summary>Waits for whatever is in flight and forgets it; never throws.</summary>
    public void Abandon()
    {
        try
        {
            _stream.Synchronize();
        }
        catch (BackendException)
        {
            // Whoever abandons the run has its reason already.
        }

        _completed = _enqueued;
        _tape.Reset();
    }

    public void Dispose()
    {
        Abandon();
        _graph?.Dispose();
        _tape.Dispose();
        _clipper.Dispose();
        _ids.Dispose();
        _targets.Dispose();
        _plan?.Dispose();
        foreach (Slot slot in _slots)
        {
            slot.Done.Dispose();
            ((IDisposable)slot.Results).Dispose();
        }
    }

    private Graph Record() => Graph.Capture(_stream, _ => EnqueueWork());

    private void EnqueueWork()
    {
        _optimizer.ZeroGrad();
        for (int part = 0; part < _parts; part++)
        {
            Vary(_copyBatch[part]);
            _tape.SeedRandom(_seed, (_step * _parts) + part);
            Tensor loss = _model.Loss(_tape, _ids, _targets);
            _tape.Backward(loss, 1f / _parts);
            _results[part] = loss.On(_stream);
            Vary(_copyResult[part]);
            _tape.Reset();
        }

        _clipper.Measure();
        _results[_parts] = _clipper.NormAddress;
        Vary(_copyResult[_parts]);
        Vary(_update);
    }

    /// <summary>Enqueues what depends on the step; a graph that is being recorded does so again for every launch.</summary>
    private void Vary(Action<Stream> enqueue)
    {
        if (Graph.Recording is { } graph)
        {
            graph.Vary(enqueue);
        }
        else
        {
            enqueue(_stream);
        }
    }

    private void CopyBatch(int part, Stream stream)
    {
        _ids.CopyFrom(_batches[part].Inputs, stream);
        _targets.CopyFrom(_batches[part].Targets, stream);
    }

    private void CopyResult(int index, Stream stream) =>
        stream.Copy(Current.Results.Pointer + (index * sizeof(float)), _results[index], sizeof(float));

    /// <summary>Where a step in flight leaves its results: a loss per micro-batch, then the gradient norm.</summary>
    private sealed class Slot(Device device, int parts)
    {
        public PinnedMemory<float> Results { get; } = device.AllocatePinned<float>(parts + 1);

        public Event Done { get; } = device.CreateEvent();

        public long Step { get; set; }

        public double LearningRate { get; set; }
    }
}

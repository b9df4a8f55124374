using System.Globalization;
using AiOs.Bench.Measure;
using AiOs.Interop;
using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Modules;
using AiOs.Training.Optimizers;

namespace AiOs.Bench.Families;

/// <summary>A training step of GPT-2 124M: forward, backward, clipping and AdamW; in bf16 with binary32 masters.</summary>
internal sealed class TrainBenchmark : IBenchmark
{
    private const string Small = "tiny";

    public string Name => "train";

    public ShapeSyntax Syntax { get; } = new($"batch,length[,gpt2|{Small}]", 2, "gpt2", Small);

    public IReadOnlyList<string> DTypes { get; } = ["f32", "bf16"];

    public IReadOnlyList<string> DefaultShapes(string dtype) => ["4,64,gpt2"];

    public IEnumerable<BenchmarkCase> Cases(BenchContext context, string dtype, BenchShape shape)
    {
        int block = (int)shape.Extents[1];
        yield return new TrainCase(context, dtype, (int)shape.Extents[0], shape.Word, shape.Word == Small
            ? new GptConfig { Layers = 2, Heads = 2, Embd = 32, Block = block, Vocab = 61 }
            : new GptConfig { Layers = 12, Heads = 12, Embd = 768, Block = block, Vocab = 50257 });
    }
}

/// <summary>
/// One step. Launch 0, which is checked, is a pass forward and backward whose loss counts the first two positions of every
/// sequence only, so that the reference can afford it in binary64; the others are whole steps. All of the backward pass is
/// checked on a <see cref="GradientSample"/>.
/// </summary>
internal sealed class TrainCase : BenchmarkCase
{
    private const int CheckedPositions = 2;
    private const double LearningRate = 1e-5;

    private readonly GptConfig _config;
    private readonly int _batch;
    private readonly bool _half;
    private Gpt? _model;
    private AdamW? _optimizer;
    private GradientClipper? _clipper;
    private Tape? _tape;
    private Tensor _ids;
    private Tensor _targets;
    private Tensor _fewTargets;
    private Operand? _loss;
    private Operand? _gradient;
    private int[] _hostIds = [];
    private int[] _hostTargets = [];

    public TrainCase(BenchContext context, string dtype, int batch, string name, GptConfig config)
        : base(context, "train", dtype, string.Create(CultureInfo.InvariantCulture, $"{batch},{config.Block},{name}"))
    {
        (_config, _batch) = (config, batch);
        _half = dtype == "bf16";
        double matrices = (12.0 * config.Layers * config.Embd * config.Embd) + ((double)config.Vocab * config.Embd);
        double parameters = matrices + ((double)config.Block * config.Embd) + ((13.0 * config.Layers * config.Embd) + (2 * config.Embd));

        // Each weight multiplies every token once forward and twice backward; the optimizer reads and writes its state.
        Work = new Work(
            6 * matrices * batch * config.Block, _half ? Arithmetic.BF16 : Arithmetic.F32,
            (_half ? 14 : 16) * parameters, (_half ? 14 : 12) * parameters, 12 * parameters, Cold: true, Sequential: true);
    }

    public override Work Work { get; }

    public override IReadOnlyList<Operand> Outputs => [_loss!, _gradient!];

    public override void Prepare()
    {
        int count = _batch * _config.Block;
        _hostIds = [.. Enumerable.Range(0, count).Select(i => (int)(i * 7919L % _config.Vocab))];
        _hostTargets = [.. Enumerable.Range(0, count).Select(i => (int)(((i * 104729L) + 1) % _config.Vocab))];
        int[] few = [.. _hostTargets.Select((target, i) => i % _config.Block < CheckedPositions ? target : -1)];
        _model = Own(new Gpt(Stream, _config, 1, _half ? Tensors.DType.BF16 : Tensors.DType.F32));
        _optimizer = Own(new AdamW(_model.Parameters, Stream));
        _clipper = Own(new GradientClipper(_model.Parameters, Stream, 1));
        _tape = Own(new Tape(Stream));
        _ids = Own(Tensor.From<int>(Stream, _hostIds, _batch, _config.Block));
        _targets = Own(Tensor.From<int>(Stream, _hostTargets, _batch, _config.Block));
        _fewTargets = Own(Tensor.From<int>(Stream, few, _batch, _config.Block));
        _loss = Own(new Operand(Stream, aios_dtype.F32, 1));
        _gradient = Own(new Operand(Stream, _half ? aios_dtype.Bf16 : aios_dtype.F32, _config.Embd));
    }

    public override void Launch(int index)
    {
        _optimizer!.ZeroGrad();
        Tensor loss = _model!.Loss(_tape!, _ids, index == 0 ? _fewTargets : _targets);
        _tape!.Backward(loss);
        if (index == 0)
        {
            Stream.Copy(_loss!.Pointer, loss.Pointer, _loss.Bytes);
            Stream.Copy(_gradient!.Pointer, Find(Gpt2Reference.LastNorm + ".bias").Grad.Pointer, _gradient.Bytes);
            _tape.Reset();
            return;
        }

        _tape.Reset();
        _clipper!.Measure();
        _optimizer.Step(LearningRate, _clipper);
    }

    public override void Check(Verdict verdict)
    {
        Gpt2Reference reference = new(_config, name => GradientSample.Read(Find(name), Stream));
        int positions = Math.Min(CheckedPositions, _config.Block);
        (double loss, double[] gradient) = reference.Evaluate(_hostIds, _hostTargets, _batch, positions);
        double relative = _half ? 0.02 : 1e-4;
        verdict.Near("loss", 0, _loss!.Read()[0], loss, relative * loss);
        float[] computed = _gradient!.Read();
        double size = gradient.Max(Math.Abs);
        for (int i = 0; i < gradient.Length; i++)
        {
            verdict.Near("gradient", i, computed[i], gradient[i], 4 * relative * size);
        }

        GradientSample.Take(Context, _half ? Tensors.DType.BF16 : Tensors.DType.F32).Compare(verdict);
    }

    private Tensor Find(string name) => _model!.Parameters.First(parameter => parameter.Name == name).Value;
}

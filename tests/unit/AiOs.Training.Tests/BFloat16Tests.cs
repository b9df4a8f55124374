using System.Text.Json;
using AiOs.Models.Formats;
using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Checkpoints;
using AiOs.Training.Generation;
using AiOs.Training.Modules;
using AiOs.Training.Optimizers;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Tests;

/// <summary>
/// Training in bf16 with binary32 masters. What has to be exact is compared bit for bit; what rounding may change is compared
/// with the same computation in binary32, within a bound that comes from the number of roundings on the way.
/// </summary>
public sealed class BFloat16Tests : IDisposable
{
    /// <summary>Relative error of one rounding to bf16, at most.</summary>
    private const double Unit = 1.0 / (1 << 9);

    private static readonly TrainerOptions Run = Fixtures.TinyRun with { DType = DType.BF16 };

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("adamw")]
    [InlineData("sgd")]
    [InlineData("sgd with momentum")]
    public void MastersMoveAsF32ParametersDo(string kind) => Fixtures.OnDevice(device =>
    {
        using Stream stream = device.CreateStream();
        float[] initial = Rounded(33, 1, 1f), slopes = Rounded(33, 2, 0.5f);
        using Tensor whole = Tensor.From<float>(stream, initial, 3, 11).WithGrad();
        using Tensor half = FromSingles(stream, initial, 3, 11).WithGrad();
        using Tensor wholeSlopes = Tensor.From<float>(stream, slopes, 3, 11), halfSlopes = FromSingles(stream, slopes, 3, 11);
        using Optimizer f32 = Make(new Parameter("p", whole)), bf16 = Make(new Parameter("p", half));
        Assert.True(f32.Masters[0].IsNull);
        Assert.Contains("master.p", bf16.State.Select(s => s.Name));
        for (int step = 0; step < 50; step++)
        {
            // Steps this small are lost on a bf16 number; their sum is not.
            const double rate = 1e-4;
            Step(f32, whole, wholeSlopes, rate);
            Step(bf16, half, halfSlopes, rate);
            float[] expected = Singles(whole, stream);
            Assert.Equal(expected, Singles(bf16.Masters[0], stream));
            Assert.Equal(expected.Select(x => (float)(BFloat16)x), Singles(half, stream));
        }

        Assert.NotEqual(initial, Singles(half, stream));
        return true;

        Optimizer Make(Parameter parameter) => kind == "adamw"
            ? new AdamW([parameter], stream)
            : new Sgd([parameter], stream, new SgdOptions { Momentum = kind == "sgd" ? 0 : 0.9, WeightDecay = 0.1 });

        // The gradient of the sum of slopes x parameter is the slopes themselves, exactly, in both types.
        void Step(Optimizer optimizer, Tensor parameter, Tensor slopes, double rate)
        {
            using var tape = new Tape(stream);
            optimizer.ZeroGrad();
            tape.Backward(Ops.Sum(tape, Ops.Mul(tape, parameter, slopes)));
            optimizer.Step(rate);
        }
    });

    [Fact]
    public void ParametersTooLargeForTheCachesAreTheRoundedMastersToo() => Fixtures.OnDevice(device =>
    {
        // From 2^23 elements on the kernel stores the parameter past the caches; the last, partial vector it does not.
        const int count = (1 << 23) + 37;
        using Stream stream = device.CreateStream();
        using Tensor value = FromSingles(stream, Rounded(count, 3, 1f), count).WithGrad();
        using var optimizer = new AdamW([new Parameter("p", value)], stream);
        using (var tape = new Tape(stream))
        {
            tape.Backward(Ops.Sum(tape, Ops.Square(tape, value)));
        }

        float[] before = Singles(value, stream);
        optimizer.Step(0.5);
        float[] got = Singles(value, stream), masters = Singles(optimizer.Masters[0], stream);
        int wrong = 0;
        for (int i = 0; i < count; i++)
        {
            wrong += got[i] == (float)(BFloat16)masters[i] && got[i] != before[i] ? 0 : 1;
        }

        Assert.Equal(0, wrong);
        return true;
    });

    [Fact]
    public void GradientsAreThoseOfTheSameWeightsInF32() => Fixtures.OnDevice(device =>
    {
        using Stream stream = device.CreateStream();
        var shape = new GptConfig { Layers = 2, Heads = 2, Embd = 32, Block = 16, Vocab = 29 };
        using var half = new Gpt(stream, shape, 3, DType.BF16);
        using var whole = new Gpt(stream, shape, 3);
        foreach ((Parameter h, Parameter w) in half.Parameters.Zip(whole.Parameters))
        {
            // Larger weights than at the start of training, so that every part of the model matters.
            float[] values = h.Decay ? Rounded((int)h.Value.Length, (ulong)h.Name.Length, 0.2f) : Singles(h.Value, stream);
            Write(h.Value, values, stream);
            w.Value.CopyFrom<float>(values, stream);
        }

        int[] tokens = [.. Enumerable.Range(0, 129).Select(i => i * i % 29)];
        double halfLoss = Pass(half), wholeLoss = Pass(whole);

        // Each of the R tensors between a weight's gradient and the loss, forward and backward, is rounded with a relative
        // error of at most Unit, independently; such errors add up like sqrt(R), and layers may amplify them a little.
        const double amplification = 2;
        double roundings = 2 * ((8 * shape.Layers) + 4);
        double bound = amplification * Math.Sqrt(roundings) * Unit;
        Assert.Equal(wholeLoss, halfLoss, bound * wholeLoss);
        double worst = 0;
        foreach ((Parameter h, Parameter w) in half.Parameters.Zip(whole.Parameters))
        {
            float[] got = Singles(h.Value.Grad, stream), expected = Singles(w.Value.Grad, stream);
            double norm = Math.Sqrt(expected.Sum(x => (double)x * x));
            double error = Math.Sqrt(got.Zip(expected, (g, e) => ((double)g - e) * ((double)g - e)).Sum());
            worst = Math.Max(worst, error / norm);
            Assert.True(error <= bound * norm, $"{h.Name}: relative error {error / norm:e2}, allowed {bound:e2}");
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"worst gradient error {worst:e2} of {bound:e2}, loss {Math.Abs(halfLoss - wholeLoss) / wholeLoss:e2}");
        return true;

        double Pass(Gpt model)
        {
            using var tape = new Tape(stream);
            using Tensor ids = Tensor.From<int>(stream, tokens.AsSpan(0, 128), 8, 16);
            using Tensor targets = Tensor.From<int>(stream, tokens.AsSpan(1, 128), 8, 16);
            Tensor loss = model.Loss(tape, ids, targets);
            tape.Backward(loss);
            return loss.Item(stream);
        }
    });

    [Fact]
    public void TheLossFollowsTheF32Run()
    {
        TrainerOptions options = Fixtures.TinyRun with { Steps = 60, LearningRate = 1e-2 };
        StepRecord[] whole = Steps(options), half = Steps(options with { DType = DType.BF16 });
        Assert.True(whole[^1].Loss < 0.7 * whole[0].Loss);

        // One rounding of the weights and of what lies between them and the loss, as in the gradients' bound. The run does not
        // drift away from there, because the masters keep what each step adds.
        double bound = 3 * Math.Sqrt(8 * options.Model.Layers) * Unit;
        double[] errors = [.. half.Zip(whole, (h, w) => Math.Abs(h.Loss - w.Loss) / w.Loss)];
        TestContext.Current.TestOutputHelper?.WriteLine($"largest relative deviation {errors.Max():e2} of {bound:e2}");
        Assert.All(errors, e => Assert.InRange(e, 0, bound));
        Assert.Contains(errors, e => e > 0);
    }

    [Fact]
    public void ACheckpointHoldsRoundedWeightsAndTheirMasters()
    {
        Steps(Run with { OutDirectory = _directory.Path });
        string folder = Checkpoint.Find(_directory.Path).Directory;
        using SafetensorsFile model = SafetensorsFile.Open(Path.Combine(folder, Checkpoint.ModelName));
        using SafetensorsFile state = SafetensorsFile.Open(Path.Combine(folder, Checkpoint.OptimizerName));
        int inexact = 0;
        foreach (SafetensorsEntry entry in model.Tensors.Values)
        {
            Assert.Equal(SafetensorsType.BF16, entry.Type);
            Assert.Equal(SafetensorsType.F32, state.Find($"master.{entry.Name}").Type);
            float[] masters = Fixtures.Values(state, $"master.{entry.Name}"), values = Fixtures.Values(model, entry.Name);
            Assert.Equal(masters.Select(x => (float)(BFloat16)x), values);
            inexact += masters.Zip(values).Count(pair => pair.First != pair.Second);
        }

        Assert.True(inexact > 0);
        using JsonDocument config = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, HuggingFaceConfig.Name)));
        Assert.Equal("bfloat16", config.RootElement.GetProperty("torch_dtype").GetString());
    }

    [Fact]
    public void ACheckpointOfAnotherTypeIsRefused()
    {
        Steps(Run with { OutDirectory = _directory.Path });
        Checkpoint checkpoint = Checkpoint.Find(_directory.Path);
        Assert.Equal(DType.BF16, checkpoint.State.Options.DType);
        Fixtures.OnDevice(device =>
        {
            using var trainer = new Trainer(device, Fixtures.TinyRun, Fixtures.Tokens(500));
            Assert.Contains("a run in BF16, not in F32", Assert.Throws<InvalidFileException>(() => trainer.Resume(checkpoint)).Message, StringComparison.Ordinal);
            return true;
        });
    }

    [Fact]
    public void MastersStartFromAllDigitsOfAnF32File() => Fixtures.OnDevice(device =>
    {
        using Stream stream = device.CreateStream();
        using var source = new Gpt(stream, Fixtures.TinyModel, 9);
        string file = _directory.File("f32.safetensors");
        GptWeights.Save(source, file, stream);
        using var trainer = Trainer.FromWeights(file, device, Run with { OutDirectory = _directory.File("out") }, Fixtures.Tokens(500));
        string saved = trainer.SaveCheckpoint();
        using SafetensorsFile state = SafetensorsFile.Open(Path.Combine(saved, Checkpoint.OptimizerName));
        foreach ((Parameter p, Parameter s) in trainer.Model.Parameters.Zip(source.Parameters))
        {
            float[] expected = Singles(s.Value, stream);
            Assert.Equal(expected, Fixtures.Values(state, $"master.{p.Name}"));
            Assert.Equal(expected.Select(x => (float)(BFloat16)x), Singles(p.Value, stream));
        }

        return true;
    });

    [Fact]
    public void AModelIsLoadedInTheTypeItIsStoredIn()
    {
        Steps(Run with { OutDirectory = _directory.Path });
        Fixtures.OnDevice(device =>
        {
            using Stream stream = device.CreateStream();
            using LoadedModel loaded = LoadedModel.Open(_directory.Path, stream);
            Assert.Equal(DType.BF16, loaded.Model.DType);
            using var generator = new Generator(loaded.Model, stream);
            Assert.Equal(20, generator.Generate([1, 2, 3], 20, new SamplingOptions { Temperature = 0 }).Count());
            return true;
        });
    }

    [Fact]
    public void OtherTypesAreRefused() => Fixtures.OnDevice(device =>
    {
        using Stream stream = device.CreateStream();
        Assert.Throws<ArgumentOutOfRangeException>(() => new Gpt(stream, Fixtures.TinyModel, 1, DType.F16));
        AiOsException e = Assert.Throws<AiOsException>(() => new Trainer(device, Fixtures.TinyRun with { DType = DType.F16 }, Fixtures.Tokens(500)));
        Assert.Contains("--dtype F16", e.Message, StringComparison.Ordinal);
        return true;
    });

    private static StepRecord[] Steps(TrainerOptions options)
    {
        var recorder = new Recorder();
        Fixtures.OnDevice(device =>
        {
            using var trainer = new Trainer(device, options, Fixtures.Tokens(500));
            return trainer.Run(recorder);
        });
        return [.. recorder.Steps];
    }

    /// <summary>Normal values that bf16 holds exactly.</summary>
    private static float[] Rounded(int count, ulong key, float deviation)
    {
        var values = new float[count];
        Philox.FillNormal(values, 11, key, 0, deviation);
        return Array.ConvertAll(values, x => (float)(BFloat16)x);
    }

    private static Tensor FromSingles(Stream stream, float[] values, params ReadOnlySpan<long> shape)
    {
        Tensor tensor = Tensor.Empty(stream, DType.BF16, shape);
        Write(tensor, values, stream);
        return tensor;
    }

    private static void Write(Tensor tensor, float[] values, Stream stream)
    {
        var rounded = new BFloat16[values.Length];
        BFloat16.FromSingles(values, rounded);
        tensor.CopyFrom<BFloat16>(rounded, stream);
    }

    private static float[] Singles(Tensor tensor, Stream stream)
    {
        using var tape = new Tape(stream, recording: false);
        var values = new float[tensor.Length];
        Ops.Cast(tape, tensor, DType.F32).CopyTo<float>(values, stream);
        return values;
    }
}

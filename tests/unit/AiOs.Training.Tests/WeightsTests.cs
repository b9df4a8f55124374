using System.Runtime.InteropServices;
using AiOs.Models.Formats;
using AiOs.Runtime;
using AiOs.Training.Checkpoints;
using AiOs.Training.Generation;
using AiOs.Training.Modules;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Tests;

public sealed class WeightsTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void ParametersHaveTheNamesAndShapesOfHuggingFace() => OnModel((model, _) =>
    {
        Assert.Equal(
            [
                "transformer.wte.weight [29, 16]", "transformer.wpe.weight [8, 16]",
                "transformer.h.0.ln_1.weight [16]", "transformer.h.0.ln_1.bias [16]",
                "transformer.h.0.attn.c_attn.weight [16, 48]", "transformer.h.0.attn.c_attn.bias [48]",
                "transformer.h.0.attn.c_proj.weight [16, 16]", "transformer.h.0.attn.c_proj.bias [16]",
                "transformer.h.0.ln_2.weight [16]", "transformer.h.0.ln_2.bias [16]",
                "transformer.h.0.mlp.c_fc.weight [16, 64]", "transformer.h.0.mlp.c_fc.bias [64]",
                "transformer.h.0.mlp.c_proj.weight [64, 16]", "transformer.h.0.mlp.c_proj.bias [16]",
            ],
            model.Parameters.Take(14).Select(p => $"{p.Name} [{string.Join(", ", p.Value.Shape.ToArray())}]"));
        Assert.Equal(2 + (2 * 12) + 2, model.Parameters.Count);
        Assert.Equal("transformer.ln_f.bias", model.Parameters[^1].Name);
        Assert.All(model.Parameters, p => Assert.Equal(p.Name.EndsWith("weight", StringComparison.Ordinal) && !p.Name.Contains("ln_", StringComparison.Ordinal), p.Decay));
        Assert.Equal((29 * 16) + (8 * 16) + (2 * ((4 * 16) + (16 * 48) + 48 + (16 * 16) + 16 + (2 * 16 * 64) + 64 + 16)) + 32, model.ParameterCount);
    });

    [Fact]
    public void InitialValuesHaveGpt2sSpread() => Fixtures.OnDevice(device =>
    {
        using Stream stream = device.CreateStream();
        var config = new GptConfig { Layers = 8, Heads = 2, Embd = 64, Block = 32, Vocab = 301 };
        using var model = new Gpt(stream, config, 3);
        using var again = new Gpt(stream, config, 3);
        using var other = new Gpt(stream, config, 4);
        for (int i = 0; i < model.Parameters.Count; i++)
        {
            Parameter p = model.Parameters[i];
            float[] values = Values(p, stream);
            Assert.Equal(values, Values(again.Parameters[i], stream));
            double expected = !p.Decay ? 0 : p.Name.EndsWith("c_proj.weight", StringComparison.Ordinal) ? 0.02 / 4 : 0.02;
            double mean = values.Average(v => (double)v);
            Assert.Equal(p.Name.Contains("ln_", StringComparison.Ordinal) && p.Name.EndsWith("weight", StringComparison.Ordinal) ? 1 : 0, mean, 5 * expected / Math.Sqrt(values.Length));
            Assert.Equal(expected, Math.Sqrt(values.Average(v => (v - mean) * (v - mean))), expected * 0.1);
            Assert.Equal(p.Decay, !values.SequenceEqual(Values(other.Parameters[i], stream)));
        }

        return true;
    });

    [Fact]
    public void WeightsMoveBothWays() => OnModel((model, stream) =>
    {
        string path = _directory.File("out.safetensors");
        GptWeights.Save(model, path, stream);
        using var other = new Gpt(stream, model.Config, 99);
        GptWeights.Load(other, path, stream);
        Assert.All(model.Parameters.Zip(other.Parameters), p => Assert.Equal(Values(p.First, stream), Values(p.Second, stream)));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal(model.Parameters.Select(p => p.Name), file.Tensors.Keys);
        Assert.Equal(Values(model.Parameters[0], stream), Fixtures.Values(file, "transformer.wte.weight"));
    });

    [Fact]
    public void ReadsWhatHuggingFaceWrites() => OnModel((model, stream) =>
    {
        // As published: no prefix, the mask buffers, a copy of the tied head, half precision.
        using var source = new Gpt(stream, model.Config, 99);
        List<SafetensorsItem> items = [.. source.Parameters.Select(p => Half(p.Name["transformer.".Length..], p, stream))];
        items.Add(Plain("h.0.attn.bias", SafetensorsType.U8, 1, 1, 8, 8));
        items.Add(Plain("h.1.attn.masked_bias", SafetensorsType.F32));
        items.Add(Half("lm_head.weight", source.Parameters[0], stream));
        SafetensorsWriter.Write(_directory.File("hf.safetensors"), items);
        GptWeights.Load(model, _directory.File("hf.safetensors"), stream);
        foreach ((Parameter got, Parameter expected) in model.Parameters.Zip(source.Parameters))
        {
            Assert.Equal(Values(expected, stream).Select(v => (float)(Half)v), Values(got, stream));
        }
    });

    [Fact]
    public void AnotherModelIsRefusedAndTheWeightsStay() => OnModel((model, stream) =>
    {
        float[] before = Values(model.Parameters[0], stream);
        using var source = new Gpt(stream, model.Config, 99);
        List<SafetensorsItem> all = [.. source.Parameters.Select(p => Half(p.Name, p, stream))];
        Refuses("missing", [.. all.Where(i => i.Name != "transformer.h.1.ln_2.bias")], "no tensor 'transformer.h.1.ln_2.bias'");
        Refuses("extra", [.. all, Plain("transformer.h.2.ln_1.bias", SafetensorsType.F32, 16)], "'transformer.h.2.ln_1.bias' has no place");
        Refuses("integer", [.. all.Skip(1), Plain("transformer.wte.weight", SafetensorsType.I32, 29, 16)], "is I32");
        Refuses("shape", [.. all.Skip(1), Plain("transformer.wte.weight", SafetensorsType.F32, 30, 16)], "shape [30, 16], the model needs [29, 16]");
        Assert.Equal(before, Values(model.Parameters[0], stream));

        void Refuses(string name, SafetensorsItem[] items, string problem)
        {
            string path = _directory.File(name);
            SafetensorsWriter.Write(path, items);
            InvalidFileException e = Assert.Throws<InvalidFileException>(() => GptWeights.Load(model, path, stream));
            Assert.StartsWith(path, e.Message, StringComparison.Ordinal);
            Assert.Contains(problem, e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', e.Message);
        }
    });

    [Fact]
    public void ABareFileNeedsTheNumberOfHeads() => OnModel((model, stream) =>
    {
        string path = _directory.File("bare.safetensors");
        GptWeights.Save(model, path, stream);
        InvalidFileException e = Assert.Throws<InvalidFileException>(() => LoadedModel.Open(path, stream));
        Assert.Contains("--heads", e.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidFileException>(() => LoadedModel.Open(path, stream, heads: 3));
        using (LoadedModel loaded = LoadedModel.Open(path, stream, heads: 2))
        {
            Assert.Equal(model.Config, loaded.Model.Config);
            Assert.Null(loaded.Tokenizer);
        }

        using (FileStream config = File.Create(_directory.File("config.json")))
        {
            HuggingFaceConfig.Write(config, model.Config);
        }

        using LoadedModel beside = LoadedModel.Open(path, stream);
        Assert.Equal(model.Config, beside.Model.Config);
        Assert.Throws<InvalidFileException>(() => LoadedModel.Open(_directory.File("none"), stream));
    });

    [Theory]
    [InlineData("\"gpt2\"", "\"llama\"", "model_type 'llama'")]
    [InlineData("gelu_new", "relu", "activation_function 'relu'")]
    [InlineData("\"n_head\": 2", "\"n_head\": 5", "impossible model")]
    [InlineData("\"n_layer\": 2", "\"n_layer\": \"two\"", "not the JSON")]
    [InlineData("1E-05", "1E-06", "layer_norm_epsilon")]
    public void AConfigurationOfAnotherModelIsRefused(string valid, string changed, string problem)
    {
        using var written = new MemoryStream();
        HuggingFaceConfig.Write(written, Fixtures.TinyModel);
        string json = System.Text.Encoding.UTF8.GetString(written.ToArray());
        Assert.Contains(valid, json, StringComparison.Ordinal);
        string path = _directory.Write("config.json", System.Text.Encoding.UTF8.GetBytes(json.Replace(valid, changed, StringComparison.Ordinal)));
        Assert.Contains(problem, Assert.Throws<InvalidFileException>(() => HuggingFaceConfig.Read(path)).Message, StringComparison.Ordinal);
    }

    private static void OnModel(Action<Gpt, Stream> body) => Fixtures.OnDevice(device =>
    {
        using Stream stream = device.CreateStream();
        using var model = new Gpt(stream, Fixtures.TinyModel, 1);
        body(model, stream);
        return true;
    });

    private static float[] Values(Parameter parameter, Stream stream)
    {
        var values = new float[parameter.Value.Length];
        parameter.Value.CopyTo<float>(values, stream);
        return values;
    }

    private static SafetensorsItem Half(string name, Parameter parameter, Stream stream)
    {
        Half[] values = [.. Values(parameter, stream).Select(v => (Half)v)];
        return new SafetensorsItem(
            name, SafetensorsType.F16, parameter.Value.Shape.ToArray(),
            (at, to) => MemoryMarshal.AsBytes(values.AsSpan()).Slice((int)at, to.Length).CopyTo(to));
    }

    private static SafetensorsItem Plain(string name, SafetensorsType type, params long[] shape) =>
        new(name, type, shape, (_, to) => to.Clear());
}

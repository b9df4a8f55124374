using System.Runtime.InteropServices;
using System.Text.Json;
using AiOs.Models.Formats;
using AiOs.Training.Data;
using AiOs.Training.Modules;
using AiOs.Training.Optimizers;

namespace AiOs.Training.Tests;

/// <summary>One golden file, and the weights and tokens that Golden/make_golden.py computes with the same formulas.</summary>
internal sealed class GoldenData
{
    private readonly JsonElement _json;
    private readonly JsonElement _config;

    private GoldenData(JsonElement json) => (_json, _config) = (json, json.GetProperty("config"));

    public double[] Losses => [.. _json.GetProperty("losses").EnumerateArray().Select(x => x.GetDouble())];

    public double[] GradNorms => [.. _json.GetProperty("grad_norms").EnumerateArray().Select(x => x.GetDouble())];

    public TrainerOptions Options => new()
    {
        Model = new GptConfig
        {
            Layers = Integer("layers"),
            Heads = Integer("heads"),
            Embd = Integer("embd"),
            Block = Integer("block"),
            Vocab = Integer("vocab"),
        },
        Steps = Integer("steps"),
        Batch = Integer("batch"),
        LearningRate = Real("lr"),
        WeightDecay = Real("weight_decay"),
        Beta1 = Real("beta1"),
        Beta2 = Real("beta2"),
        GradClip = Real("grad_clip"),
        Warmup = Integer("warmup"),
        Schedule = Enum.Parse<ScheduleKind>(_config.GetProperty("schedule").GetString()!, ignoreCase: true),
        Order = DataOrder.Sequential,
    };

    public static GoldenData Load(string name) =>
        new(JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Golden", name + ".json"))).RootElement);

    public byte[] TokenBytes()
    {
        TrainerOptions options = Options;
        long count = (options.Steps * options.Batch * options.Model.Block) + 1;
        var tokens = new ushort[count];
        for (int i = 0; i < count; i++)
        {
            tokens[i] = (ushort)(Mix((1UL << 60) + (ulong)i) % (ulong)options.Model.Vocab);
        }

        return MemoryMarshal.AsBytes(tokens.AsSpan()).ToArray();
    }

    public void WriteWeights(string path)
    {
        GptConfig model = Options.Model;
        int number = 0;
        SafetensorsWriter.Write(path, [.. Shapes(model).OrderBy(s => s.Name, StringComparer.Ordinal).Select(s => Item(s.Name, s.Shape, number++, model.Layers))]);
    }

    private static IEnumerable<(string Name, long[] Shape)> Shapes(GptConfig c)
    {
        long e = c.Embd;
        yield return ("transformer.wte.weight", [c.Vocab, e]);
        yield return ("transformer.wpe.weight", [c.Block, e]);
        string[] norms = [.. Enumerable.Range(0, c.Layers).SelectMany(i => new[] { $"h.{i}.ln_1", $"h.{i}.ln_2" }), "ln_f"];
        foreach (string norm in norms)
        {
            yield return ($"transformer.{norm}.weight", [e]);
            yield return ($"transformer.{norm}.bias", [e]);
        }

        (string Name, long In, long Out)[] layers =
            [("attn.c_attn", e, 3 * e), ("attn.c_proj", e, e), ("mlp.c_fc", e, 4 * e), ("mlp.c_proj", 4 * e, e)];
        for (int i = 0; i < c.Layers; i++)
        {
            foreach ((string name, long inputs, long outputs) in layers)
            {
                yield return ($"transformer.h.{i}.{name}.weight", [inputs, outputs]);
                yield return ($"transformer.h.{i}.{name}.bias", [outputs]);
            }
        }
    }

    private static SafetensorsItem Item(string name, long[] shape, int number, int layers)
    {
        var values = new float[shape.Aggregate(1L, (a, b) => a * b)];
        bool gain = name.Contains(".ln_", StringComparison.Ordinal) && name.EndsWith("weight", StringComparison.Ordinal);
        double scale = shape.Length == 1 ? 0.05 :
            name.Contains("c_proj", StringComparison.Ordinal) ? 0.035 / Math.Sqrt(2 * layers) : 0.035;
        for (int i = 0; i < values.Length; i++)
        {
            double u = ((Mix(((ulong)number << 40) + (ulong)i) >> 11) * Math.Pow(2, -52)) - 1;
            values[i] = (float)((u * scale) + (gain ? 1 : 0));
        }

        return new SafetensorsItem(name, SafetensorsType.F32, shape, (at, to) => MemoryMarshal.AsBytes(values.AsSpan()).Slice((int)at, to.Length).CopyTo(to));
    }

    private static ulong Mix(ulong x)
    {
        x += 0x9e3779b97f4a7c15;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
        x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
        return x ^ (x >> 31);
    }

    private int Integer(string name) => _config.GetProperty(name).GetInt32();

    private double Real(string name) => _config.GetProperty(name).GetDouble();
}

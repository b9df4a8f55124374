using AiOs.Models.Formats;
using AiOs.Tensors;
using AiOs.Training.Checkpoints;
using AiOs.Training.Generation;
using AiOs.Training.Modules;
using BenchmarkDotNet.Attributes;

namespace AiOs.Benchmarks;

/// <summary>
/// Reading the weights of a GPT of 32 M parameters (128 MB of F32) from a file in the page cache, against reading the
/// bytes of the same file into an array.
/// </summary>
public class SafetensorsBenchmarks : DeviceBenchmarks
{
    private static readonly GptConfig Shape = new() { Layers = 8, Heads = 8, Embd = 512, Block = 1024, Vocab = 12800 };

    private string _path = "";
    private Gpt _model = null!;

    /// <summary>Opens the device and writes the file.</summary>
    [GlobalSetup]
    public void Setup()
    {
        Open();
        _path = Path.Combine(Directory.CreateTempSubdirectory("aios-benchmarks-").FullName, "model.safetensors");
        _model = new Gpt(Stream, Shape, 1, DType.F32);
        GptWeights.Save(_model, _path, Stream);
    }

    /// <summary>All bytes into a new array.</summary>
    [Benchmark(Baseline = true)]
    public int ReadAllBytes() => File.ReadAllBytes(_path).Length;

    /// <summary>The header only: what it takes to see what a file holds.</summary>
    [Benchmark]
    public int OpenFile()
    {
        using SafetensorsFile file = SafetensorsFile.Open(_path);
        return file.Tensors.Count;
    }

    /// <summary>All weights into the memory of a model that exists.</summary>
    [Benchmark]
    public void Load() => GptWeights.Load(_model, _path, Stream);

    /// <summary>A new model from the file.</summary>
    [Benchmark]
    public void OpenModel() => LoadedModel.Open(_path, Stream, Shape.Heads).Dispose();

    /// <inheritdoc/>
    protected override void Close()
    {
        _model.Dispose();
        Directory.Delete(Path.GetDirectoryName(_path)!, recursive: true);
    }
}

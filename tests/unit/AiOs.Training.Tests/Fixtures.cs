using AiOs.Models.Formats;
using AiOs.Runtime;
using AiOs.Training.Data;
using AiOs.Training.Modules;

namespace AiOs.Training.Tests;

/// <summary>Small runs that the tests share.</summary>
internal static class Fixtures
{
    public static GptConfig TinyModel { get; } = new() { Layers = 2, Heads = 2, Embd = 16, Block = 8, Vocab = 29 };

    public static TrainerOptions TinyRun { get; } = new()
    {
        Model = TinyModel,
        Steps = 8,
        Batch = 4,
        LearningRate = 3e-3,
        Seed = 5,
    };

    /// <summary>Tokens with some order in them, so that there is something to learn.</summary>
    public static TokenArray Tokens(int length, int vocabulary = 29) => new(
        "test tokens", Enumerable.Range(0, length).Select(i => (ushort)((i * i / 3 + i) % 7 + (i % 4 * 5) % vocabulary)).ToArray());

    /// <summary>Runs a function with an own device and checks that nothing of the device's memory was left allocated.</summary>
    public static T OnDevice<T>(Func<Device, T> body, int? threads = null, bool? detectRaces = null)
    {
        var options = new DeviceOptions();
        LeakReport? leaks = null;
        T result;
        using (Device device = Device.Open(options: options with
        {
            Threads = threads,
            OnLeak = report => leaks = report,
            DetectRaces = detectRaces ?? options.DetectRaces,
        }))
        {
            result = body(device);
            Assert.Equal(0, device.Memory.Statistics.AllocatedBytes);
        }

        Assert.Null(leaks);
        return result;
    }

    /// <summary>The losses of a run, as bits.</summary>
    public static long[] LossBits(IEnumerable<StepRecord> steps) => [.. steps.Select(s => BitConverter.DoubleToInt64Bits(s.Loss))];

    /// <summary>The values of a tensor of a safetensors file.</summary>
    public static float[] Values(SafetensorsFile file, string name)
    {
        SafetensorsEntry entry = file.Find(name);
        var values = new float[entry.Length];
        file.Read(entry, 0, values);
        return values;
    }
}

/// <summary>Keeps what it is told.</summary>
internal sealed class Recorder : ITrainingObserver
{
    public List<StepRecord> Steps { get; } = [];

    public List<ValidationRecord> Validations { get; } = [];

    public List<string> Checkpoints { get; } = [];

    public Action<StepRecord>? Stepped { get; init; }

    public void OnStep(in StepRecord record)
    {
        Steps.Add(record);
        Stepped?.Invoke(record);
    }

    public void OnValidation(in ValidationRecord record) => Validations.Add(record);

    public void OnCheckpoint(string path) => Checkpoints.Add(path);
}

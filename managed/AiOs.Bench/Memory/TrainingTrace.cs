using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Modules;
using AiOs.Training.Optimizers;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Bench.Memory;

/// <summary>
/// The trace of training GPT-2 124M (B = 4, T = 64, AdamW, clipping), recorded by doing it: what stays, and three steps.
/// </summary>
internal static class TrainingTrace
{
    private const int Batch = 4, Length = 64, Steps = 3;

    public static AllocationTrace Record()
    {
        var trace = new AllocationTrace("gpt2-124m");
        using Device device = Device.Open("cpu", new DeviceOptions { Layer = inner => new Recorder(inner, trace) });
        using Stream stream = device.CreateStream();
        var config = new GptConfig { Layers = 12, Heads = 12, Embd = 768, Block = Length, Vocab = 50257 };
        using var model = new Gpt(stream, config, 1);
        using var optimizer = new AdamW(model.Parameters, stream);
        using var clipper = new GradientClipper(model.Parameters, stream, 1);
        using var tape = new Tape(stream);
        int[] tokens = [.. Enumerable.Range(0, Batch * Length).Select(i => (int)(i * 7919L % config.Vocab))];
        using Tensor ids = Tensor.From<int>(stream, tokens, Batch, Length);
        for (int step = 0; step < Steps; step++)
        {
            optimizer.ZeroGrad();
            tape.Backward(model.Loss(tape, ids, ids));
            tape.Reset();
            clipper.Measure();
            optimizer.Step(1e-4, clipper);
        }

        stream.Synchronize();
        return trace;
    }

    /// <summary>Writes down what goes through it. The streams of a trace count from 0.</summary>
    private sealed class Recorder(Allocator inner, AllocationTrace trace) : AllocatorLayer(inner)
    {
        private readonly Dictionary<Allocation, int> _ids = [];
        private readonly Dictionary<int, int> _streams = [];

        public override Allocation Allocate(long bytes, int stream)
        {
            Allocation block = base.Allocate(bytes, stream);
            lock (_ids)
            {
                _streams.TryAdd(stream, _streams.Count);
                _ids.Add(block, trace.Allocate(bytes, _streams[stream]));
            }

            return block;
        }

        public override void Free(Allocation block)
        {
            lock (_ids)
            {
                _ids.Remove(block, out int id);
                trace.Free(id, trace.StreamOf(id));
            }

            base.Free(block);
        }
    }
}

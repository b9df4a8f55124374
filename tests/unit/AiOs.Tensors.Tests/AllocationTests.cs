using AiOs.Runtime;

namespace AiOs.Tensors.Tests;

/// <summary>A forward and backward pass through a small transformer, built from ops as a model would.</summary>
[Collection("one at a time")] // a collection that another test starts charges a thread with the unused rest of its allocation context
public class AllocationTests
{
    private const int Batch = 2, Length = 8, Width = 16, Heads = 2, Vocabulary = 32, Layers = 2;

    [Fact]
    public void A_training_step_makes_no_managed_object_after_warm_up()
    {
        using var device = new DeviceFixture(detectRaces: false); // The detector makes objects.
        using var model = new Transformer(device);
        using var tape = new Tape(device.Stream);
        long Steps(int count)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < count; i++)
            {
                model.Step(tape, i);
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Steps(3);
        AllocatorStatistics warm = device.Device.Memory.Statistics;

        // An object per step would be in all of five runs; one in a run may be the compiler's or the collector's.
        Assert.Equal(0, Enumerable.Range(0, 5).Min(_ => Steps(20)));
        AllocatorStatistics after = device.Device.Memory.Statistics;
        Assert.Equal(warm.ReservedBytes, after.ReservedBytes);
        Assert.Equal(warm.LiveBlocks, after.LiveBlocks);
        Assert.Equal(after.Allocations - warm.Allocations, after.CacheHits - warm.CacheHits);
    }

    [Fact]
    public void The_same_seed_gives_the_same_bits()
    {
        float[] Run()
        {
            using var device = new DeviceFixture();
            using var model = new Transformer(device);
            using var tape = new Tape(device.Stream);
            model.Step(tape, 3);
            return model.Gradients();
        }

        Assert.Equal(Run(), Run());
    }

    private sealed class Transformer(DeviceFixture device) : IDisposable
    {
        private readonly Dictionary<string, Tensor> _parameters = [];
        private readonly Tensor _ids = device.Indices([.. Enumerable.Range(0, Batch * Length).Select(i => i * 5 % Vocabulary)], Batch, Length);
        private readonly Tensor _positions = device.Indices([.. Enumerable.Range(0, Length)], Length);
        private readonly Block[] _blocks = new Block[Layers];
        private Tensor _tokens, _places, _normWeight, _normBias;
        private bool _built;

        public void Step(Tape tape, int step)
        {
            if (!_built)
            {
                Build();
            }

            tape.SeedRandom(1, step);
            Tensor x = Ops.Add(tape, Ops.Embedding(tape, _ids, _tokens), Ops.Embedding(tape, _positions, _places));
            x = Ops.Dropout(tape, x, 0.1f);
            foreach (Block block in _blocks)
            {
                Tensor qkv = Ops.Linear(tape, Ops.LayerNorm(tape, x, block.Norm, block.Shift), block.Qkv, block.QkvBias);
                x = Ops.Linear(tape, Ops.SelfAttention(tape, qkv, Heads), block.Projection, residual: x);
                Tensor hidden = Ops.Linear(tape, Ops.RmsNorm(tape, x, block.Norm), block.Up, activation: Activation.GeluTanh);
                x = Ops.Add(tape, x, Ops.Dropout(tape, Ops.Linear(tape, hidden, block.Down), 0.1f));
            }

            Tensor logits = Ops.LinearTransposed(tape, Ops.LayerNorm(tape, x, _normWeight, _normBias), _tokens);
            tape.Backward(Ops.CrossEntropy(tape, logits, _ids), 0.5f);
            tape.Reset();
            foreach (Tensor parameter in _parameters.Values)
            {
                if (step % 2 == 0)
                {
                    parameter.ClearGrad();
                }
            }
        }

        public float[] Gradients() => [.. _parameters.Values.SelectMany(parameter => device.Read(parameter.Grad))];

        public void Dispose()
        {
            foreach (Tensor parameter in _parameters.Values)
            {
                parameter.Dispose();
            }

            _ids.Dispose();
            _positions.Dispose();
        }

        private void Build()
        {
            _built = true;
            _tokens = Make("tokens", Vocabulary, Width);
            _places = Make("places", Length, Width);
            _normWeight = Make("norm", Width);
            _normBias = Make("shift", Width);
            for (int i = 0; i < Layers; i++)
            {
                _blocks[i] = new Block(
                    Make($"{i}.norm", Width), Make($"{i}.shift", Width), Make($"{i}.qkv", Width, 3 * Width), Make($"{i}.bias", 3 * Width),
                    Make($"{i}.projection", Width, Width), Make($"{i}.up", Width, 4 * Width), Make($"{i}.down", 4 * Width, Width));
            }
        }

        private Tensor Make(string name, params long[] shape)
        {
            float[] values = new float[GradientCheck.Product(shape)];
            Philox.FillNormal(values, 7, (ulong)_parameters.Count, 0, 0.2f);
            return _parameters[name] = device.Tensor(values, shape).WithGrad();
        }

        private sealed record Block(Tensor Norm, Tensor Shift, Tensor Qkv, Tensor QkvBias, Tensor Projection, Tensor Up, Tensor Down);
    }
}

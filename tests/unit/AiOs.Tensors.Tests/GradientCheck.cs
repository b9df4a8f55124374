namespace AiOs.Tensors.Tests;

/// <summary>
/// Compares the tape's gradients with finite differences of the forward pass: five-point central differences, sums in
/// binary64, of a random weighting of the result.
/// </summary>
internal static class GradientCheck
{
    private const double Step = 1.0 / 32;

    public static void Run(Func<Tape, Tensor[], Tensor> function, params long[][] shapes) =>
        Run(function, 2e-3, Array.ConvertAll(shapes, shape => (shape, DeviceFixture.Values(Product(shape), (ulong)shape.Length * 7 + (ulong)Product(shape)))));

    public static void Run(Func<Tape, Tensor[], Tensor> function, double tolerance, params (long[] Shape, float[] Values)[] inputs)
    {
        using var device = new DeviceFixture();
        using var tape = new Tape(device.Stream);
        Tensor[] leaves = Array.ConvertAll(inputs, input => device.Tensor(input.Values, input.Shape).WithGrad());
        try
        {
            Run(function, tolerance, device, tape, leaves, inputs);
        }
        finally
        {
            // Also after a failure, which the leak check would otherwise hide.
            tape.Reset();
            Array.ForEach(leaves, leaf => leaf.Dispose());
        }
    }

    public static long Product(long[] shape) => shape.Aggregate(1L, (product, extent) => product * extent);

    private static void Run(
        Func<Tape, Tensor[], Tensor> function, double tolerance, DeviceFixture device, Tape tape, Tensor[] leaves,
        (long[] Shape, float[] Values)[] inputs)
    {
        for (int pass = 1; pass <= 2; pass++)
        {
            // The second pass adds to the gradients of the first.
            Tensor result = function(tape, leaves);
            using Tensor weights = device.Tensor(DeviceFixture.Values(result.Length, 99), result.Shape.ToArray());
            tape.Backward(Ops.Sum(tape, Ops.Mul(tape, result, weights)));
            tape.Reset();
            for (int i = 0; i < leaves.Length; i++)
            {
                Compare(device, function, leaves, inputs, i, pass, tolerance);
            }
        }

        // A third one, after clearing, overwrites.
        foreach (Tensor leaf in leaves)
        {
            leaf.ClearGrad();
            Assert.True(leaf.Grad.IsNull);
        }

        Tensor again = function(tape, leaves);
        using (Tensor weights = device.Tensor(DeviceFixture.Values(again.Length, 99), again.Shape.ToArray()))
        {
            tape.Backward(Ops.Sum(tape, Ops.Mul(tape, again, weights)));
        }

        tape.Reset();
        for (int i = 0; i < leaves.Length; i++)
        {
            Compare(device, function, leaves, inputs, i, 1, tolerance);
        }
    }

    private static void Compare(
        DeviceFixture device, Func<Tape, Tensor[], Tensor> function, Tensor[] leaves, (long[] Shape, float[] Values)[] inputs, int which,
        int passes, double tolerance)
    {
        float[] gradient = device.Read(leaves[which].Grad);
        Assert.Equal(leaves[which].Shape.ToArray(), leaves[which].Grad.Shape.ToArray());
        double scale = gradient.Max(value => Math.Abs((double)value)) + passes;
        float[] moved = [.. inputs[which].Values];
        for (int i = 0; i < moved.Length; i++)
        {
            double At(double offset)
            {
                moved[i] = (float)(inputs[which].Values[i] + offset);
                leaves[which].CopyFrom<float>(moved, device.Stream);
                return Loss(device, function, leaves);
            }

            double expected = passes * (8 * (At(Step) - At(-Step)) - (At(2 * Step) - At(-2 * Step))) / (12 * Step);
            moved[i] = inputs[which].Values[i];
            Assert.True(
                Math.Abs(expected - gradient[i]) <= tolerance * scale,
                $"input {which}, element {i}, {passes} passes: gradient {gradient[i]}, finite difference {expected}");
        }

        leaves[which].CopyFrom<float>(inputs[which].Values, device.Stream);
    }

    private static double Loss(DeviceFixture device, Func<Tape, Tensor[], Tensor> function, Tensor[] leaves)
    {
        using var tape = new Tape(device.Stream, recording: false);
        float[] result = device.Read(function(tape, leaves));
        float[] weights = DeviceFixture.Values(result.Length, 99);
        double loss = 0;
        for (int i = 0; i < result.Length; i++)
        {
            loss += (double)result[i] * weights[i];
        }

        return loss;
    }
}

using AiOs.Interop;
using AiOs.Runtime;

namespace AiOs.Tensors;

/// <content>Softmax, loss and dropout.</content>
public static partial class Ops
{
    /// <summary>exp(x) / sum of exp(x) over the last dimension.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">[..., C]</param>
    /// <returns>The shape of x.</returns>
    public static unsafe Tensor Softmax(Tape tape, Tensor x)
    {
        TensorBody a = Require.Input("Softmax", "x", tape, x);
        Require.Floating("Softmax", "x", a);
        Require.Rank("Softmax", "x", a, 1);
        a = Dense(tape, a);
        TensorBody result = tape.Output(a.DType, a.Shape);
        (long rows, long cols) = Rows(a);
        tape.Stream.Check(
            tape.Stream.Device.Kernels.aios_softmax(
                tape.Stream.Handle, (void*)result.Pointer, (void*)a.Pointer, rows, cols, a.DType.Native()),
            "aios_softmax");
        if (tape.Records(a))
        {
            tape.Record(&SoftmaxBackward, result, a).SavedA = result.Hold();
        }

        return new Tensor(result);
    }

    /// <summary>
    /// Mean over the rows of -log softmax(logits)[target], computed from the logits in one kernel. The gradient is
    /// written over the logits when nothing else needs them, so that at large vocabularies it costs no memory.
    /// </summary>
    /// <param name="tape">The tape.</param>
    /// <param name="logits">[..., V]</param>
    /// <param name="targets">I32 [...]: a class per row; a negative one leaves its row out.</param>
    /// <returns>F32 scalar (rank 0); NaN when every row is left out.</returns>
    public static unsafe Tensor CrossEntropy(Tape tape, Tensor logits, Tensor targets)
    {
        TensorBody a = Require.Input("CrossEntropy", "logits", tape, logits);
        TensorBody classes = Require.Input("CrossEntropy", "targets", tape, targets);
        Require.Floating("CrossEntropy", "logits", a);
        Require.Indices("CrossEntropy", "targets", classes);
        Require.Rank("CrossEntropy", "logits", a, 1);
        (long rows, long cols) = Rows(a);
        if (!a.Shape[..^1].SequenceEqual(classes.Shape))
        {
            Require.Mismatch("CrossEntropy", "logits", a, "targets", classes, "targets must have the shape of logits without its last dimension");
        }

        a = Dense(tape, a);
        classes = Dense(tape, classes);
        aios_dtype dtype = a.DType.Native();
        KernelTable kernels = tape.Stream.Device.Kernels;

        // The kernel writes two numbers: the loss, and behind it the count of rows that the gradient divides by.
        TensorBody result = tape.Output(DType.F32, [], sizeof(float));
        TensorBody lse = TensorBody.Allocate(tape.Stream, DType.F32, [rows]);
        using (var workspace = new Workspace(tape.Stream, kernels.aios_cross_entropy_workspace_size(rows, cols, dtype), "aios_cross_entropy"))
        {
            tape.Stream.Check(
                kernels.aios_cross_entropy(
                    tape.Stream.Handle, (float*)result.Pointer, (float*)lse.Pointer, (void*)a.Pointer, (int*)classes.Pointer,
                    workspace.Pointer, workspace.Bytes, rows, cols, cols, dtype),
                "aios_cross_entropy");
        }

        if (!tape.Records(a))
        {
            lse.Drop();
            return new Tensor(result);
        }

        ref Node node = ref tape.Record(&CrossEntropyBackward, result, a);
        node.SavedA = a.Hold();
        node.SavedB = classes.Hold();
        node.SavedC = lse;
        node.SavedD = result.Hold();
        return new Tensor(result);
    }

    /// <summary>
    /// Sets each element to 0 with a probability and scales the others by 1 / (1 - probability) (inverted dropout).
    /// The choice is a function of <see cref="Tape.SeedRandom"/> and the element's index alone; <see cref="Philox"/>
    /// gives the same numbers.
    /// </summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">Any shape.</param>
    /// <param name="probability">At least 0, less than 1; with 0 the result is x itself.</param>
    /// <returns>The shape of x.</returns>
    public static unsafe Tensor Dropout(Tape tape, Tensor x, float probability)
    {
        TensorBody a = Require.Input("Dropout", "x", tape, x);
        Require.Floating("Dropout", "x", a);
        if (!(probability >= 0 && probability < 1))
        {
            throw new ArgumentOutOfRangeException(nameof(probability), $"Dropout: the probability {probability} is not in [0, 1)");
        }

        if (probability == 0)
        {
            return x;
        }

        a = Dense(tape, a);
        (ulong seed, ulong offset) = tape.NextRandom();
        TensorBody result = tape.Output(a.DType, a.Shape);
        Drop(tape, result, a, probability, seed, offset);
        if (tape.Records(a))
        {
            ref Node node = ref tape.Record(&DropoutBackward, result, a);
            node.FloatA = probability;
            node.Seed = seed;
            node.Offset = offset;
        }

        return new Tensor(result);
    }

    private static unsafe void SoftmaxBackward(Tape tape, ref Node node)
    {
        TensorBody gradient = node.OutputGrad, output = node.SavedA!;
        TensorBody target = tape.ReuseOutputGrad(ref node);
        (long rows, long cols) = Rows(output);
        tape.Stream.Check(
            tape.Stream.Device.Kernels.aios_softmax_backward(
                tape.Stream.Handle, (void*)target.Pointer, (void*)gradient.Pointer, (void*)output.Pointer, rows, cols, output.DType.Native()),
            "aios_softmax_backward");
        tape.AddGradient(node.InputA!, target);
    }

    private static unsafe void CrossEntropyBackward(Tape tape, ref Node node)
    {
        TensorBody logits = node.SavedA!;
        TensorBody target = logits.IsOnlySavedOnce
            ? TensorBody.View(logits, logits.Shape)
            : TensorBody.Allocate(tape.Stream, logits.DType, logits.Shape);
        (long rows, long cols) = Rows(logits);
        tape.Stream.Check(
            tape.Stream.Device.Kernels.aios_cross_entropy_backward(
                tape.Stream.Handle, (void*)target.Pointer, (float*)node.OutputGrad.Pointer, (float*)node.SavedD!.Pointer,
                (float*)node.SavedC!.Pointer, (void*)logits.Pointer, (int*)node.SavedB!.Pointer, rows, cols, cols, logits.DType.Native()),
            "aios_cross_entropy_backward");
        tape.AddGradient(node.InputA!, target);
    }

    private static void DropoutBackward(Tape tape, ref Node node)
    {
        TensorBody gradient = node.OutputGrad;
        TensorBody target = tape.ReuseOutputGrad(ref node);
        Drop(tape, target, gradient, node.FloatA, node.Seed, node.Offset);
        tape.AddGradient(node.InputA!, target);
    }

    private static void Drop(Tape tape, TensorBody result, TensorBody a, float probability, ulong seed, ulong offset)
    {
        if (Graph.Recording is { } graph && graph.Stream == tape.Stream)
        {
            DropAnew(graph, tape, (result.Pointer, a.Pointer, a.Length, a.DType.Native()), probability, seed, offset);
        }
        else
        {
            Drop(tape.Stream, result.Pointer, a.Pointer, a.Length, a.DType.Native(), probability, seed, offset);
        }
    }

    /// <summary>A dropout that a graph draws anew for each launch.</summary>
    private static void DropAnew(
        Graph graph, Tape tape, (nint Out, nint A, long Length, aios_dtype DType) buffers, float probability, ulong seed, ulong offset) =>
        graph.Vary(stream => Drop(
            stream, buffers.Out, buffers.A, buffers.Length, buffers.DType, probability, seed, offset + ((ulong)tape.RandomShift << 24)));

    private static unsafe void Drop(
        Stream stream, nint result, nint a, long length, aios_dtype dtype, float probability, ulong seed, ulong offset) =>
        stream.Check(
            stream.Device.Kernels.aios_dropout(stream.Handle, (void*)result, (void*)a, length, probability, seed, offset, dtype),
            "aios_dropout");

    /// <summary>A tensor as rows of its last dimension.</summary>
    private static (long Rows, long Cols) Rows(TensorBody a) => (Shapes.Product(a.Shape[..^1]), a.Shape[^1]);
}

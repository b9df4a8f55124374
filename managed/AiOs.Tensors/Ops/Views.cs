namespace AiOs.Tensors;

/// <content>Views, and the copies that make them contiguous.</content>
public static partial class Ops
{
    /// <summary>The same elements in another shape; a view when <paramref name="x"/> is contiguous, else a copy.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">Any shape and dtype.</param>
    /// <param name="shape">As many elements as x has; one extent may be -1, which stands for what is left.</param>
    /// <returns>A tensor of the given shape.</returns>
    public static unsafe Tensor Reshape(Tape tape, Tensor x, params ReadOnlySpan<long> shape)
    {
        TensorBody a = Require.Input("Reshape", "x", tape, x);
        Extents extents = default;
        if (shape.Length > Extents.Capacity)
        {
            Require.Shape("Reshape", shape);
        }

        shape.CopyTo(extents);
        Span<long> target = ((Span<long>)extents)[..shape.Length];
        int free = target.IndexOf(-1);
        if (free >= 0)
        {
            target[free] = 1;
            long known = Shapes.Product(target);
            target[free] = known == 0 ? 0 : a.Length / known;
        }

        Require.Shape("Reshape", target);
        if (Shapes.Product(target) != a.Length)
        {
            Require.Throw($"Reshape: {Require.Text(a)} has {a.Length} elements, which do not fill {Shapes.Text(shape)}");
        }

        a = Dense(tape, a);
        TensorBody result = tape.Adopt(TensorBody.View(a, target));
        RecordView(tape, a, result, &ReshapeBackward);
        return new Tensor(result);
    }

    /// <summary>Swaps two dimensions; a view.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">Any shape and dtype.</param>
    /// <param name="d0">A dimension; from the end when negative.</param>
    /// <param name="d1">The other.</param>
    /// <returns>A view of x with the extents and strides of the two swapped.</returns>
    public static Tensor Transpose(Tape tape, Tensor x, int d0, int d1)
    {
        int rank = Require.Input("Transpose", "x", tape, x).Rank;
        Span<int> order = stackalloc int[rank];
        for (int d = 0; d < rank; d++)
        {
            order[d] = d;
        }

        d0 = Require.Dimension("Transpose", d0, rank);
        d1 = Require.Dimension("Transpose", d1, rank);
        (order[d0], order[d1]) = (order[d1], order[d0]);
        return Permute(tape, x, order);
    }

    /// <summary>Reorders the dimensions; a view.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">Any shape and dtype.</param>
    /// <param name="dims">Dimension i of the result is dimension dims[i] of x; each occurs once.</param>
    /// <returns>A view of x.</returns>
    public static unsafe Tensor Permute(Tape tape, Tensor x, params ReadOnlySpan<int> dims)
    {
        TensorBody a = Require.Input("Permute", "x", tape, x);
        int rank = a.Rank;
        if (dims.Length != rank)
        {
            Require.Throw($"Permute: {dims.Length} dimensions were given for the shape {Require.Text(a)}");
        }

        Extents shape = default, strides = default;
        long order = 0;
        int seen = 0;
        for (int d = 0; d < rank; d++)
        {
            int source = Require.Dimension("Permute", dims[d], rank);
            seen |= 1 << source;
            order |= (long)d << (source * 4); // The inverse order, four bits a dimension.
            shape[d] = a.Shape[source];
            strides[d] = a.Strides[source];
        }

        if (seen != (1 << rank) - 1)
        {
            Require.Throw($"Permute: each dimension of {Require.Text(a)} must be given once");
        }

        TensorBody result = tape.Adopt(TensorBody.View(a, ((Span<long>)shape)[..rank], ((Span<long>)strides)[..rank], 0));
        if (tape.Records(a))
        {
            tape.Record(&PermuteBackward, result, a).LongA = order;
        }

        return new Tensor(result);
    }

    /// <summary>A range of one dimension; a view.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">Any shape and dtype.</param>
    /// <param name="dim">The dimension; from the end when negative.</param>
    /// <param name="start">First index of the range.</param>
    /// <param name="length">Length of the range.</param>
    /// <returns>A view of x whose extent in that dimension is <paramref name="length"/>.</returns>
    public static unsafe Tensor Slice(Tape tape, Tensor x, int dim, long start, long length)
    {
        TensorBody a = Require.Input("Slice", "x", tape, x);
        dim = Require.Dimension("Slice", dim, a.Rank);
        if (start < 0 || length < 0 || start > a.Shape[dim] - length)
        {
            Require.Throw($"Slice: [{start}, {start} + {length}) is not inside dimension {dim} of {Require.Text(a)}");
        }

        TensorBody result = tape.Adopt(Range(a, dim, start, length));
        if (tape.Records(a))
        {
            ref Node node = ref tape.Record(&SliceBackward, result, a);
            node.IntA = dim;
            node.LongA = start;
        }

        return new Tensor(result);
    }

    /// <summary>Repeats extents of 1, and adds dimensions in front; a view with strides of 0.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">A shape that broadcasts to <paramref name="shape"/>.</param>
    /// <param name="shape">The extents of the result.</param>
    /// <returns>A view of x, which must not be written to.</returns>
    public static unsafe Tensor Expand(Tape tape, Tensor x, params ReadOnlySpan<long> shape)
    {
        TensorBody a = Require.Input("Expand", "x", tape, x);
        Require.Shape("Expand", shape);
        TensorBody result = tape.Adopt(Repeat("Expand", a, shape));
        RecordView(tape, a, result, &ExpandBackward);
        return new Tensor(result);
    }

    /// <summary>The tensor itself when it is contiguous, else a contiguous copy.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">Any shape and dtype.</param>
    /// <returns>The shape of x.</returns>
    public static Tensor Contiguous(Tape tape, Tensor x)
    {
        TensorBody a = Require.Input("Contiguous", "x", tape, x);
        return a.IsContiguous ? x : new Tensor(Dense(tape, a));
    }

    /// <summary>Puts tensors one after the other along a dimension.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="dim">The dimension; from the end when negative.</param>
    /// <param name="tensors">At least one; equal dtypes, and shapes that differ in that dimension only.</param>
    /// <returns>A contiguous copy whose extent in that dimension is the sum of theirs.</returns>
    public static unsafe Tensor Concat(Tape tape, int dim, params ReadOnlySpan<Tensor> tensors)
    {
        if (tensors.Length == 0)
        {
            Require.Throw("Concat: there must be at least one tensor");
        }

        TensorBody first = Require.Input("Concat", "tensors", tape, tensors[0]);
        dim = Require.Dimension("Concat", dim, first.Rank);
        Extents shape = default;
        first.Shape.CopyTo(shape);
        shape[dim] = 0;
        foreach (Tensor tensor in tensors)
        {
            TensorBody part = Require.Input("Concat", "tensors", tape, tensor);
            bool fits = part.DType == first.DType && part.Rank == first.Rank;
            for (int d = 0; fits && d < first.Rank; d++)
            {
                fits = d == dim || part.Shape[d] == first.Shape[d];
            }

            if (!fits)
            {
                Require.Mismatch("Concat", "one tensor", first, "another", part, $"only dimension {dim} may differ, and dtypes must be equal");
            }

            shape[dim] += part.Shape[dim];
        }

        TensorBody result = tape.Output(first.DType, ((Span<long>)shape)[..first.Rank]);
        long start = 0;
        bool recorded = false;
        foreach (Tensor tensor in tensors)
        {
            TensorBody part = tensor.Body;
            TensorBody range = Range(result, dim, start, part.Shape[dim]);
            Launch.Copy(tape.Stream, range, part);
            range.Drop();
            if (tape.Records(part))
            {
                // The gradient pass meets the nodes in reverse: only the first recorded one may end the output.
                ref Node node = ref tape.Record(&ConcatBackward, result, part);
                node.IntA = dim;
                node.LongA = start;
                node.SharesOutput = recorded;
                recorded = true;
            }

            start += part.Shape[dim];
        }

        return new Tensor(result);
    }

    /// <summary>The tensor itself when it is contiguous, else a recorded contiguous copy.</summary>
    private static unsafe TensorBody Dense(Tape tape, TensorBody a)
    {
        if (a.IsContiguous)
        {
            return a;
        }

        TensorBody copy = tape.Output(a.DType, a.Shape);
        Launch.Copy(tape.Stream, copy, a);
        RecordView(tape, a, copy, &ReshapeBackward);
        return copy;
    }

    private static unsafe void RecordView(Tape tape, TensorBody a, TensorBody result, delegate*<Tape, ref Node, void> backward)
    {
        if (tape.Records(a))
        {
            tape.Record(backward, result, a);
        }
    }

    /// <summary>A view of a range of one dimension; the caller holds it.</summary>
    private static TensorBody Range(TensorBody a, int dim, long start, long length)
    {
        Extents shape = default;
        a.Shape.CopyTo(shape);
        shape[dim] = length;
        return TensorBody.View(a, ((Span<long>)shape)[..a.Rank], a.Strides, start * a.Strides[dim]);
    }

    /// <summary>A view in a broadcast shape; the caller holds it.</summary>
    private static TensorBody Repeat(string op, TensorBody a, ReadOnlySpan<long> shape)
    {
        Extents strides = default;
        int lead = shape.Length - a.Rank;
        for (int d = 0; d < a.Rank; d++)
        {
            if (lead < 0 || (a.Shape[d] != 1 && a.Shape[d] != shape[lead + d]))
            {
                Require.Throw($"{op}: {Require.Text(a)} does not broadcast to {Shapes.Text(shape)}");
            }

            strides[lead + d] = a.Shape[d] == 1 ? 0 : a.Strides[d];
        }

        return TensorBody.View(a, shape, ((Span<long>)strides)[..shape.Length], 0);
    }

    private static void ReshapeBackward(Tape tape, ref Node node) => tape.PassGradient(ref node, node.InputA!);

    private static void PermuteBackward(Tape tape, ref Node node)
    {
        TensorBody gradient = node.OutputGrad;
        Extents shape = default, strides = default;
        for (int d = 0; d < gradient.Rank; d++)
        {
            int source = (int)(node.LongA >> (d * 4)) & 15;
            shape[d] = gradient.Shape[source];
            strides[d] = gradient.Strides[source];
        }

        int rank = gradient.Rank;
        tape.AddGradient(node.InputA!, TensorBody.View(gradient, ((Span<long>)shape)[..rank], ((Span<long>)strides)[..rank], 0));
    }

    private static void SliceBackward(Tape tape, ref Node node)
    {
        TensorBody input = node.InputA!;
        _ = tape.SummedGradientOf(input);
        TensorBody range = Range(input.Grad!, node.IntA, node.LongA, node.Output.Shape[node.IntA]);
        Launch.Binary(tape.Stream, range, range, node.OutputGrad, Interop.aios_binary_op.Add);
        range.Drop();
    }

    private static void ExpandBackward(Tape tape, ref Node node) =>
        tape.AddBroadcastGradient(node.InputA!, node.OutputGrad.Hold());

    private static void ConcatBackward(Tape tape, ref Node node)
    {
        TensorBody input = node.InputA!;
        tape.AddGradient(input, Range(node.OutputGrad, node.IntA, node.LongA, input.Shape[node.IntA]));
    }
}

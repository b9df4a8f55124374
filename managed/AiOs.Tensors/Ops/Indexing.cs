namespace AiOs.Tensors;

/// <content>Rows by index, and sums into rows by index.</content>
public static partial class Ops
{
    /// <summary>Row ids[i] of the table for each id; its gradient adds into those rows.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="ids">I32 of any shape [...]; an id outside the table is an execution error of the stream.</param>
    /// <param name="table">[rows, C], contiguous.</param>
    /// <returns>[..., C]</returns>
    public static unsafe Tensor Embedding(Tape tape, Tensor ids, Tensor table)
    {
        TensorBody index = Require.Input("Embedding", "ids", tape, ids);
        TensorBody rows = Require.Input("Embedding", "table", tape, table);
        Require.Indices("Embedding", "ids", index);
        Require.Floating("Embedding", "table", rows);
        Require.Rank("Embedding", "ids", index, 0, Extents.Capacity - 1);
        Require.Rank("Embedding", "table", rows, 2, 2);
        Require.Contiguous("Embedding", rows);
        index = Dense(tape, index);
        Extents shape = default;
        index.Shape.CopyTo(shape);
        shape[index.Rank] = rows.Shape[1];
        TensorBody result = tape.Output(rows.DType, ((Span<long>)shape)[..(index.Rank + 1)]);
        Take(tape, result, rows, index, 0);
        if (tape.Records(rows))
        {
            tape.Record(&GatherBackward, result, rows).SavedA = index.Hold();
        }

        return new Tensor(result);
    }

    /// <summary>out[.., j, ..] = x[.., ids[j], ..] along one dimension.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">At least one dimension.</param>
    /// <param name="dim">The dimension; from the end when negative.</param>
    /// <param name="ids">I32 [count]; an id outside the dimension is an execution error of the stream.</param>
    /// <returns>The shape of x with count in place of that dimension.</returns>
    public static unsafe Tensor Gather(Tape tape, Tensor x, int dim, Tensor ids)
    {
        TensorBody a = Require.Input("Gather", "x", tape, x);
        TensorBody index = Require.Input("Gather", "ids", tape, ids);
        Require.Floating("Gather", "x", a);
        Require.Indices("Gather", "ids", index);
        Require.Rank("Gather", "ids", index, 1, 1);
        dim = Require.Dimension("Gather", dim, a.Rank);
        a = Dense(tape, a);
        index = Dense(tape, index);
        Extents shape = default;
        a.Shape.CopyTo(shape);
        shape[dim] = index.Length;
        TensorBody result = tape.Output(a.DType, ((Span<long>)shape)[..a.Rank]);
        Take(tape, result, a, index, dim);
        if (tape.Records(a))
        {
            ref Node node = ref tape.Record(&GatherBackward, result, a);
            node.SavedA = index.Hold();
            node.IntA = dim;
        }

        return new Tensor(result);
    }

    /// <summary>x with source[.., j, ..] added to row ids[j] of one dimension, for each j in order.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">At least one dimension.</param>
    /// <param name="dim">The dimension; from the end when negative.</param>
    /// <param name="ids">I32 [count]; an id outside the dimension is an execution error of the stream.</param>
    /// <param name="source">The shape of x with count in place of that dimension.</param>
    /// <returns>A new tensor of the shape of x.</returns>
    public static unsafe Tensor ScatterAdd(Tape tape, Tensor x, int dim, Tensor ids, Tensor source)
    {
        TensorBody a = Require.Input("ScatterAdd", "x", tape, x);
        TensorBody index = Require.Input("ScatterAdd", "ids", tape, ids);
        TensorBody added = Require.Input("ScatterAdd", "source", tape, source);
        Require.SameFloating("ScatterAdd", "x", a, "source", added);
        Require.Indices("ScatterAdd", "ids", index);
        Require.Rank("ScatterAdd", "ids", index, 1, 1);
        dim = Require.Dimension("ScatterAdd", dim, a.Rank);
        bool fits = added.Rank == a.Rank;
        for (int d = 0; fits && d < a.Rank; d++)
        {
            fits = added.Shape[d] == (d == dim ? index.Length : a.Shape[d]);
        }

        if (!fits)
        {
            Require.Mismatch("ScatterAdd", "x", a, "source", added, $"they must be equal but for dimension {dim}, which is [{index.Length}] in source");
        }

        added = Dense(tape, added);
        index = Dense(tape, index);
        TensorBody result = tape.Output(a.DType, a.Shape);
        Launch.Copy(tape.Stream, result, a);
        Scatter(tape, result.Pointer, result, added, index, dim);
        if (tape.Records(a, added))
        {
            ref Node node = ref tape.Record(&ScatterAddBackward, result, a, added);
            node.SavedA = index.Hold();
            node.IntA = dim;
        }

        return new Tensor(result);
    }

    private static void GatherBackward(Tape tape, ref Node node)
    {
        TensorBody input = node.InputA!;
        Scatter(tape, tape.SummedGradientOf(input), input, node.OutputGrad, node.SavedA!, node.IntA);
    }

    private static void ScatterAddBackward(Tape tape, ref Node node)
    {
        if (node.InputB is { } source)
        {
            TensorBody taken = TensorBody.Allocate(tape.Stream, source.DType, source.Shape);
            Take(tape, taken, node.OutputGrad, node.SavedA!, node.IntA);
            tape.AddGradient(source, taken);
        }

        if (node.InputA is { } x)
        {
            tape.PassGradient(ref node, x);
        }
    }

    private static unsafe void Take(Tape tape, TensorBody result, TensorBody a, TensorBody index, int dim)
    {
        (long outer, long axis, long inner) = Around(a, dim);
        tape.Stream.Check(
            tape.Stream.Device.Kernels.aios_gather(
                tape.Stream.Handle, (void*)result.Pointer, (void*)a.Pointer, (int*)index.Pointer, outer, axis, inner, index.Length, a.DType.Native()),
            "aios_gather");
    }

    /// <summary>Adds rows of <paramref name="source"/> into a dense buffer of the shape of <paramref name="target"/>.</summary>
    private static unsafe void Scatter(Tape tape, nint pointer, TensorBody target, TensorBody source, TensorBody index, int dim)
    {
        (long outer, long axis, long inner) = Around(target, dim);
        tape.Stream.Check(
            tape.Stream.Device.Kernels.aios_scatter_add(
                tape.Stream.Handle, (void*)pointer, (void*)source.Pointer, (int*)index.Pointer, outer, axis, inner, index.Length, source.DType.Native()),
            "aios_scatter_add");
    }

    /// <summary>The products of the extents before and after a dimension, and its own extent.</summary>
    private static (long Outer, long Axis, long Inner) Around(TensorBody body, int dim) =>
        (Shapes.Product(body.Shape[..dim]), body.Shape[dim], Shapes.Product(body.Shape[(dim + 1)..]));
}

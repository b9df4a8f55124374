using AiOs.Interop;

namespace AiOs.Tensors;

/// <content>The backward pass and the accumulation of gradients.</content>
public sealed partial class Tape
{
    /// <summary>
    /// Computes the gradients of a loss with respect to all leaves it depends on (reverse-mode differentiation), and
    /// uses the record up: every recorded tensor but the loss and the kept ones ends, as early as its last use allows.
    /// Gradients of leaves are added to those of earlier passes, unless <see cref="Tensor.ClearGrad"/> was called.
    /// </summary>
    /// <param name="loss">A tensor of one element, F32 or BF16, recorded on this tape.</param>
    /// <param name="gradient">The gradient of the loss itself; 1 / n for a mean over n micro-batches.</param>
    /// <exception cref="ArgumentException">The loss is not one element of these types.</exception>
    /// <exception cref="InvalidOperationException">Nothing that requires a gradient led to the loss.</exception>
    public void Backward(Tensor loss, float gradient = 1f)
    {
        TensorBody root = Require.Input("Backward", "loss", this, loss);
        Require.Floating("Backward", "loss", root);
        if (root.Length != 1)
        {
            throw new ArgumentException($"Backward: the loss has shape {Shapes.Text(root.Shape)}; it must be one element", nameof(loss));
        }

        if (!root.RequiresGrad || _count == 0)
        {
            throw new InvalidOperationException(
                "Backward: no recorded op led from a tensor with WithGrad to the loss; record the forward pass again before each backward pass");
        }

        try
        {
            TensorBody seed = TensorBody.Allocate(Stream, root.DType, root.Shape);
            Launch.Fill(Stream, seed, gradient);
            AddGradient(root, seed);
            for (; _count > 0; _count--)
            {
                ref Node node = ref _nodes[_count - 1];
                if (node.Output.Grad is not null)
                {
                    unsafe
                    {
                        node.Backward(this, ref node);
                    }
                }

                Release(ref node, root);
            }
        }
        finally
        {
            for (; _count > 0; _count--)
            {
                Release(ref _nodes[_count - 1], root);
            }
        }
    }

    /// <summary>
    /// The buffer that a kernel writes the gradient of <paramref name="input"/> to: dense, in its shape.
    /// <paramref name="accumulate"/> is 1 when the kernel has to add to what is there.
    /// </summary>
    internal nint GradientOf(TensorBody input, out int accumulate)
    {
        accumulate = 0;
        if (input.Grad is { } existing)
        {
            if (existing.IsExclusive)
            {
                accumulate = input.GradIsStale ? 0 : 1;
                input.GradIsStale = false;
                return existing.Pointer;
            }

            // Somebody else sees this buffer, so that the sum needs one of its own.
            TensorBody copy = TensorBody.Allocate(Stream, input.DType, input.Shape);
            if (!input.GradIsStale)
            {
                Launch.Copy(Stream, copy, existing);
                accumulate = 1;
            }

            input.TakeGrad().Drop();
            input.SetGrad(copy);
            return copy.Pointer;
        }

        TensorBody fresh = TensorBody.Allocate(Stream, input.DType, input.Shape);
        input.SetGrad(fresh);
        return fresh.Pointer;
    }

    /// <summary>As <see cref="GradientOf"/> for kernels that always add: a buffer without a sum yet is zeroed.</summary>
    internal nint SummedGradientOf(TensorBody input)
    {
        nint pointer = GradientOf(input, out int accumulate);
        if (accumulate == 0)
        {
            Stream.Fill(pointer, 0, input.Bytes);
        }

        return pointer;
    }

    /// <summary>
    /// Adds a contribution, of the input's length and, unless contiguous, its shape. The caller's hold on it is taken
    /// over: a contribution that arrives first becomes the gradient without a copy where nobody can tell.
    /// </summary>
    internal void AddGradient(TensorBody input, TensorBody contribution)
    {
        if (contribution.IsContiguous && !contribution.Shape.SequenceEqual(input.Shape))
        {
            TensorBody reshaped = TensorBody.View(contribution, input.Shape);
            contribution.Drop();
            contribution = reshaped;
        }

        if (input.Grad is null && contribution.IsContiguous && (!input.IsLeaf || contribution.IsExclusive))
        {
            input.SetGrad(contribution);
            return;
        }

        if (input.Grad is { } existing && !input.GradIsStale && !existing.IsExclusive
            && contribution.IsContiguous && contribution.IsExclusive)
        {
            Launch.Binary(Stream, contribution, existing, contribution, aios_binary_op.Add);
            input.TakeGrad().Drop();
            input.SetGrad(contribution);
            return;
        }

        _ = GradientOf(input, out int accumulate);
        TensorBody sum = input.Grad!;
        if (accumulate == 1)
        {
            Launch.Binary(Stream, sum, sum, contribution, aios_binary_op.Add);
        }
        else
        {
            Launch.Copy(Stream, sum, contribution);
        }

        contribution.Drop();
    }

    /// <summary>
    /// A buffer in the shape of the output's gradient for kernels that may write over what they read: that gradient
    /// itself, when nobody else needs it.
    /// </summary>
    internal TensorBody ReuseOutputGrad(ref Node node)
    {
        TensorBody gradient = node.OutputGrad;
        return gradient.IsExclusive
            ? node.Output.TakeGrad()
            : TensorBody.Allocate(Stream, gradient.DType, gradient.Shape);
    }

    /// <summary>Adds the output's gradient itself to an input.</summary>
    internal void PassGradient(ref Node node, TensorBody input) => AddGradient(input, node.OutputGrad.Hold());

    /// <summary>
    /// Adds a contribution in a broadcast shape to the input that was broadcast: sums over what was repeated.
    /// The caller's hold is taken over; the contribution is contiguous.
    /// </summary>
    internal void AddBroadcastGradient(TensorBody input, TensorBody contribution)
    {
        if (contribution.Length == input.Length)
        {
            AddGradient(input, contribution);
            return;
        }

        Extents shape = default;
        int rank = contribution.Rank;
        contribution.Shape.CopyTo(shape);
        int lead = rank - input.Rank;
        while (true)
        {
            // The last run of dimensions still to be summed, and whether there is another before it.
            int last = rank - 1;
            while (last >= 0 && !IsRepeated(last))
            {
                last--;
            }

            int first = last;
            while (first > 0 && (IsRepeated(first - 1) || shape[first - 1] == 1))
            {
                first--;
            }

            bool more = false;
            long outer = 1, n = 1, inner = 1;
            for (int d = 0; d < rank; d++)
            {
                more |= d < first && IsRepeated(d);
                if (d < first)
                {
                    outer *= shape[d];
                }
                else if (d <= last)
                {
                    n *= shape[d];
                    shape[d] = 1;
                }
                else
                {
                    inner *= shape[d];
                }
            }

            if (!more)
            {
                nint pointer = GradientOf(input, out int accumulate);
                Launch.Reduce(Stream, pointer, contribution, outer, n, inner, aios_reduce_op.Sum, accumulate);
                contribution.Drop();
                return;
            }

            TensorBody partial = TensorBody.Allocate(Stream, contribution.DType, [outer, inner]);
            Launch.Reduce(Stream, partial.Pointer, contribution, outer, n, inner, aios_reduce_op.Sum, 0);
            contribution.Drop();
            contribution = partial;
        }

        bool IsRepeated(int d) => shape[d] != 1 && (d < lead || input.Shape[d - lead] == 1);
    }
}

using System.Runtime.CompilerServices;

namespace AiOs.Tensors;

/// <summary>
/// The stream that ops run on, the scope that owns the tensors they make, and the record from which gradients are
/// computed. One thread uses a tape at a time. See docs/design/tensors.md.
/// </summary>
/// <remarks>
/// A step is: ops, <see cref="Backward"/>, reading the loss, <see cref="Reset"/>. Backward ends the life of every
/// tensor recorded on the way, the loss excepted, as soon as it is no longer needed; what should outlive it is taken
/// out with <see cref="Keep"/>. Nodes live in an array of structs and tensors are pooled, so that a repeated step makes
/// no managed object.
/// </remarks>
public sealed partial class Tape : IDisposable
{
    private Node[] _nodes = new Node[256];
    private int _count;
    private Tensor[] _owned = new Tensor[256];
    private int _ownedCount;
    private bool _disposed;
    private ulong _randomSeed;
    private ulong _randomOffset;

    /// <summary>Makes a tape.</summary>
    /// <param name="stream">The stream of all its ops.</param>
    /// <param name="recording">Whether ops are recorded for <see cref="Backward"/>.</param>
    public Tape(Stream stream, bool recording = true)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Stream = stream;
        Recording = recording;
    }

    /// <summary>The stream of all ops of the tape.</summary>
    public Stream Stream { get; }

    /// <summary>Whether ops on tensors that require gradients are recorded for <see cref="Backward"/>.</summary>
    public bool Recording { get; set; }

    /// <summary>Number of ops recorded since the last backward pass or reset.</summary>
    public int RecordedOps => _count;

    /// <summary>
    /// Names the random numbers of the ops that follow: op k after this call draws from Philox with the key
    /// <paramref name="seed"/> and the offset <c>step * 2^24 + k</c>, whatever ran before. Without this call both are 0.
    /// </summary>
    /// <param name="seed">The seed of the run.</param>
    /// <param name="step">The step, which may count micro-batches.</param>
    public void SeedRandom(ulong seed, long step)
    {
        _randomSeed = seed;
        _randomOffset = (ulong)step << 24;
    }

    /// <summary>
    /// How many steps later than recorded the ops of a graph draw that <see cref="AiOs.Runtime.Graph.Refresh"/> records anew: the
    /// difference between the step of the next launch and that of the capture, counted as in <see cref="SeedRandom"/>.
    /// </summary>
    public long RandomShift { get; set; }

    /// <summary>Moves a tensor out of the tape: it outlives Backward and Reset, and the caller disposes it.</summary>
    /// <param name="tensor">A tensor of this tape.</param>
    /// <returns>The same tensor. No gradient flows through it once the tape was used up or reset.</returns>
    /// <exception cref="ArgumentException">The tensor is not owned by this tape.</exception>
    public Tensor Keep(Tensor tensor)
    {
        TensorBody body = tensor.Body;
        if (body.Tape != this)
        {
            throw new ArgumentException("Keep: the tensor is not owned by this tape; only tensors that its ops made are", nameof(tensor));
        }

        body.Orphan();
        return tensor;
    }

    /// <summary>Ends the life of all the tape's tensors and forgets what was recorded.</summary>
    public void Reset()
    {
        for (int i = _count - 1; i >= 0; i--)
        {
            Release(ref _nodes[i], null);
        }

        _count = 0;
        for (int i = 0; i < _ownedCount; i++)
        {
            if (_owned[i] is { IsDisposed: false } tensor && tensor.Body.Tape == this)
            {
                tensor.Dispose();
            }

            _owned[i] = default;
        }

        _ownedCount = 0;
    }

    /// <summary>Ends the life of all the tape's tensors.</summary>
    public void Dispose()
    {
        Reset();
        _disposed = true;
    }

    /// <summary>A dense tensor for an op's result, owned by the tape.</summary>
    internal TensorBody Output(DType dtype, ReadOnlySpan<long> shape, long extraBytes = 0)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return Adopt(TensorBody.Allocate(Stream, dtype, shape, extraBytes));
    }

    /// <summary>Makes the tape the owner of a new tensor.</summary>
    internal TensorBody Adopt(TensorBody body)
    {
        if (_ownedCount == _owned.Length)
        {
            Array.Resize(ref _owned, _ownedCount * 2);
        }

        body.Adopt(this);
        _owned[_ownedCount++] = new Tensor(body);
        return body;
    }

    /// <summary>True when an op on these inputs has to be recorded; absent inputs are null.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool Records(TensorBody a, TensorBody? b = null, TensorBody? c = null, TensorBody? d = null) =>
        Recording && (a.RequiresGrad || b is { RequiresGrad: true } || c is { RequiresGrad: true } || d is { RequiresGrad: true });

    /// <summary>Records an op. The node is valid until the next one is recorded.</summary>
    internal unsafe ref Node Record(
        delegate*<Tape, ref Node, void> backward, TensorBody output, TensorBody a, TensorBody? b = null, TensorBody? c = null, TensorBody? d = null)
    {
        if (_count == _nodes.Length)
        {
            Array.Resize(ref _nodes, _count * 2);
        }

        ref Node node = ref _nodes[_count++];
        node.Backward = backward;
        node.Output = output.Link();
        output.RequiresGrad = true;
        node.InputA = Link(a);
        node.InputB = Link(b);
        node.InputC = Link(c);
        node.InputD = Link(d);
        return ref node;
    }

    /// <summary>The random stream of the next op that draws.</summary>
    internal (ulong Seed, ulong Offset) NextRandom() => (_randomSeed, _randomOffset++);

    private static TensorBody? Link(TensorBody? input) => input is { RequiresGrad: true } ? input.Link() : null;

    /// <summary>Drops all that a node holds, and ends the life of its output unless that is the loss or was kept.</summary>
    private void Release(ref Node node, TensorBody? loss)
    {
        DropSaved(node.SavedA);
        DropSaved(node.SavedB);
        DropSaved(node.SavedC);
        DropSaved(node.SavedD);
        DropSaved(node.SavedE);
        node.InputA?.Unlink();
        node.InputB?.Unlink();
        node.InputC?.Unlink();
        node.InputD?.Unlink();
        TensorBody output = node.Output;
        if (!node.SharesOutput)
        {
            if (output.Grad is not null)
            {
                output.TakeGrad().Drop();
            }

            if (output.Tape == this && output != loss)
            {
                output.DropHandle();
            }
            else
            {
                output.RequiresGrad = false;
            }
        }

        output.Unlink();
        node = default;
    }

    /// <summary>Drops what an op saved, which the gradient on the tape's stream may just have been given to read.</summary>
    private void DropSaved(TensorBody? saved)
    {
        if (saved is not null)
        {
            _ = saved.On(Stream);
            saved.Drop();
        }
    }
}

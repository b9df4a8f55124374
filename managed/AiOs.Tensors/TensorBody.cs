using System.Runtime.InteropServices;
using AiOs.Runtime;

namespace AiOs.Tensors;

/// <summary>
/// What a <see cref="Tensor"/> handle points at. Pooled: the generation, which changes whenever the handle's life ends,
/// tells a valid handle from a stale one. The data lives while there are holds (the handle, saved activations); the
/// body itself also while the graph links to it, since a gradient may still arrive after the data has gone.
/// </summary>
internal sealed class TensorBody
{
    private Extents _shape;
    private Extents _strides;
    private int _holds;
    private int _links;
    private TensorStorage? _storage;

    public int Generation { get; private set; }

    public DType DType { get; private set; }

    public int Rank { get; private set; }

    public long Length { get; private set; }

    public long Bytes => Length * DType.Size();

    /// <summary>Bytes from the first element to the end of the last one, whatever lies in between.</summary>
    public long ReachBytes => Shapes.Reach(Shape, Strides) * DType.Size();

    public bool IsContiguous { get; private set; }

    public nint Pointer { get; private set; }

    public Stream Stream { get; private set; } = null!;

    public Device Device => Stream.Device;

    /// <summary>The tape that disposes the handle; null when the user does.</summary>
    public Tape? Tape { get; private set; }

    public bool RequiresGrad { get; set; }

    /// <summary>True for what the user marked: its gradient stays after the backward pass.</summary>
    public bool IsLeaf { get; set; }

    /// <summary>True for a gradient, which the tensor it belongs to disposes.</summary>
    public bool IsGradient { get; private set; }

    /// <summary>The gradient, of the same shape and dtype and contiguous; null when none has arrived.</summary>
    public TensorBody? Grad { get; private set; }

    /// <summary>True when the gradient's buffer is there but what it holds is to be overwritten.</summary>
    public bool GradIsStale { get; set; }

    public ReadOnlySpan<long> Shape => MemoryMarshal.CreateReadOnlySpan(ref _shape[0], Rank);

    public ReadOnlySpan<long> Strides => MemoryMarshal.CreateReadOnlySpan(ref _strides[0], Rank);

    /// <summary>An access of all bytes from the first to the last element.</summary>
    public Access Access(bool isWrite) => _storage!.Access(Pointer, ReachBytes, isWrite);

    /// <summary>True when nobody else can see what is written to the data.</summary>
    public bool IsExclusive => _storage!.Holds == 1 && _storage.IsPrivate;

    /// <summary>True when nothing but handles that end with the backward pass, and one saved activation, needs the data.</summary>
    public bool IsOnlySavedOnce => _storage!.Holds - _storage.TapeHolds == 1 && _storage.IsPrivate;

    /// <summary>True when nothing may be written to the data.</summary>
    public bool IsReadOnly => _storage!.IsReadOnly;

    /// <summary>A dense tensor of undefined contents with one hold.</summary>
    public static TensorBody Allocate(Stream stream, DType dtype, ReadOnlySpan<long> shape, long extraBytes = 0)
    {
        long length = Shapes.Product(shape);
        TensorStorage storage = TensorStorage.Allocate(stream, length * dtype.Size() + extraBytes);
        TensorBody body = Pool<TensorBody>.Rent();
        shape.CopyTo(body._shape);
        Shapes.DenseStrides(shape, body._strides);
        body.Rank = shape.Length;
        body.Length = length;
        body.DType = dtype;
        body.IsContiguous = true;
        body.Begin(storage, storage.Address, stream);
        return body;
    }

    /// <summary>A tensor over memory of another library, which the storage owns from here on, with one hold.</summary>
    public static TensorBody Foreign(
        ForeignMemory memory, nint pointer, DType dtype, ReadOnlySpan<long> shape, ReadOnlySpan<long> strides, Stream stream)
    {
        TensorStorage storage = TensorStorage.Over(memory, pointer, stream);
        TensorBody body = Pool<TensorBody>.Rent();
        shape.CopyTo(body._shape);
        strides.CopyTo(body._strides);
        body.Rank = shape.Length;
        body.Length = Shapes.Product(shape);
        body.DType = dtype;
        body.IsContiguous = Shapes.IsDense(shape, strides);
        body.Begin(storage, pointer, stream);
        return body;
    }

    /// <summary>A view of another tensor's data with one hold.</summary>
    public static TensorBody View(TensorBody source, ReadOnlySpan<long> shape, ReadOnlySpan<long> strides, long offset)
    {
        TensorBody body = Pool<TensorBody>.Rent();
        shape.CopyTo(body._shape);
        strides.CopyTo(body._strides);
        body.Rank = shape.Length;
        body.Length = Shapes.Product(shape);
        body.DType = source.DType;
        body.IsContiguous = Shapes.IsDense(shape, strides);
        TensorStorage storage = source._storage!;
        storage.Holds++;
        body.Begin(storage, source.Pointer + (nint)(offset * source.DType.Size()), source.Stream);
        return body;
    }

    /// <summary>A view of a dense tensor with another shape of the same length.</summary>
    public static TensorBody View(TensorBody source, ReadOnlySpan<long> shape)
    {
        Extents strides = default;
        Shapes.DenseStrides(shape, strides);
        return View(source, shape, ((ReadOnlySpan<long>)strides)[..shape.Length], 0);
    }

    /// <summary>The storage with one share more, which any thread may drop.</summary>
    public TensorStorage ShareStorage()
    {
        _storage!.Share();
        return _storage;
    }

    /// <summary>Address of the data for work that a stream is given now; its memory is not used again before that has run.</summary>
    public nint On(Stream stream)
    {
        if (stream != Stream)
        {
            _storage!.NoteUse(stream);
        }

        return Pointer;
    }

    /// <summary>Makes a tape the owner of the handle.</summary>
    public void Adopt(Tape tape)
    {
        Tape = tape;
        _storage!.TapeHolds++;
    }

    /// <summary>Takes the handle out of its tape.</summary>
    public void Orphan()
    {
        Tape = null;
        _storage!.TapeHolds--;
    }

    /// <summary>Keeps the data alive until <see cref="Drop"/>.</summary>
    public TensorBody Hold()
    {
        _holds++;
        _storage!.Holds++;
        return this;
    }

    /// <summary>Drops a hold on the data.</summary>
    public void Drop()
    {
        TensorStorage storage = _storage!;
        if (--_holds == 0)
        {
            _storage = null;
            Pointer = 0;
        }

        storage.Drop();
        ReturnWhenDone();
    }

    /// <summary>Ends the life of the handle.</summary>
    public void DropHandle()
    {
        Generation++;
        if (Tape is not null)
        {
            Orphan();
        }

        Drop();
    }

    /// <summary>Keeps the body, not the data, until <see cref="Unlink"/>.</summary>
    public TensorBody Link()
    {
        _links++;
        return this;
    }

    /// <summary>Drops a link.</summary>
    public void Unlink()
    {
        _links--;
        ReturnWhenDone();
    }

    /// <summary>Makes <paramref name="gradient"/>, with the caller's hold on it, the gradient.</summary>
    public void SetGrad(TensorBody gradient)
    {
        gradient.IsGradient = true;
        Grad = gradient;
        GradIsStale = false;
    }

    /// <summary>Takes the gradient, with its hold, away.</summary>
    public TensorBody TakeGrad()
    {
        TensorBody gradient = Grad!;
        gradient.IsGradient = false;
        Grad = null;
        return gradient;
    }

    private void Begin(TensorStorage storage, nint pointer, Stream stream)
    {
        _storage = storage;
        _holds = 1;
        _links = 0;
        Pointer = pointer;
        Stream = stream;
        Tape = null;
        RequiresGrad = false;
        IsLeaf = false;
        IsGradient = false;
        GradIsStale = false;
    }

    private void ReturnWhenDone()
    {
        if (_holds > 0 || _links > 0)
        {
            return;
        }

        if (Grad is not null)
        {
            TakeGrad().Drop();
        }

        Generation++;
        Stream = null!;
        Pool<TensorBody>.Return(this);
    }
}

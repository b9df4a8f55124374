using AiOs.Runtime;

namespace AiOs.Tensors;

/// <summary>
/// Memory that several tensors may view: a block of the device, or memory of another library. It is given back when the
/// last hold and the last share are dropped. Holds belong to the thread that uses the tensors; all of them together are
/// one share. Further shares belong to other libraries (<see cref="DLPackExport"/>), which drop them on any thread.
/// </summary>
internal sealed class TensorStorage
{
    private Stream? _stream;
    private Allocation _block;
    private nint _address;
    private ForeignMemory? _foreign;
    private int _shares;

    /// <summary>Leaves a block that was never disposed to the device: a finaliser never calls the driver.</summary>
    ~TensorStorage() => Abandon();

    /// <summary>Address of the memory.</summary>
    public nint Address => _address;

    /// <summary>Holds on the memory: handles, saved activations, gradients.</summary>
    public int Holds { get; set; }

    /// <summary>Those of the holds that are handles owned by a tape, which end with the tape's backward pass.</summary>
    public int TapeHolds { get; set; }

    /// <summary>True when nothing may be written to the memory.</summary>
    public bool IsReadOnly => _foreign is { IsReadOnly: true };

    /// <summary>True when no other library sees what is written to the memory.</summary>
    public bool IsPrivate => Volatile.Read(ref _shares) == 1 && _foreign is null or { IsPrivate: true };

    /// <summary>Allocates a block with one hold.</summary>
    public static TensorStorage Allocate(Stream stream, long bytes)
    {
        TensorStorage storage = Pool<TensorStorage>.Rent();
        try
        {
            storage._block = stream.Device.Memory.Allocate(bytes, stream);
            storage._address = storage._block.Address;
        }
        catch
        {
            Pool<TensorStorage>.Return(storage);
            throw;
        }

        storage.Begin(stream);
        return storage;
    }

    /// <summary>Memory of another library with one hold.</summary>
    public static TensorStorage Over(ForeignMemory memory, nint address, Stream stream)
    {
        TensorStorage storage = Pool<TensorStorage>.Rent();
        storage._address = address;
        storage._foreign = memory;
        storage.Begin(stream);
        return storage;
    }

    /// <summary>Adds a share.</summary>
    public void Share() => Interlocked.Increment(ref _shares);

    /// <summary>Notes that a stream is given work that uses the memory; who owns another library's has to wait for it.</summary>
    public void NoteUse(Stream stream)
    {
        if (_foreign is null)
        {
            stream.Device.Memory.NoteUse(_block, stream);
        }
    }

    /// <summary>An access of a part of the memory.</summary>
    public Access Access(nint address, long bytes, bool isWrite) => (_foreign, isWrite) switch
    {
        (null, _) => Runtime.Access.Of(address, bytes, isWrite, _stream!, _block),
        (_, true) => Runtime.Access.Write(address, bytes),
        _ => Runtime.Access.Read(address, bytes),
    };

    /// <summary>Drops a hold.</summary>
    public void Drop()
    {
        if (--Holds == 0)
        {
            DropShare(false);
        }
    }

    /// <summary>Drops a share.</summary>
    /// <param name="finalizing">True on the finaliser's thread, where no driver is called.</param>
    public void DropShare(bool finalizing)
    {
        // Only the owner of the last share can find one, so that nothing is locked when there never was another.
        if (Volatile.Read(ref _shares) != 1 && Interlocked.Decrement(ref _shares) != 0)
        {
            return;
        }

        if (finalizing)
        {
            Abandon();
            return;
        }

        ForeignMemory? foreign = _foreign;
        Stream stream = _stream!;
        Allocation block = _block;
        End();
        Pool<TensorStorage>.Return(this);
        if (foreign is not null)
        {
            foreign.Release();
        }
        else
        {
            stream.Device.Memory.Free(block);
        }
    }

    private void Begin(Stream stream)
    {
        _stream = stream;
        _shares = 1;
        Holds = 1;
        TapeHolds = 0;
    }

    private void End()
    {
        _address = 0;
        _foreign = null;
        _stream = null;
    }

    private void Abandon()
    {
        if (_stream is null)
        {
            return;
        }

        if (_foreign is not null)
        {
            _foreign.Abandon();
        }
        else
        {
            _stream.Device.Memory.Abandon(new AbandonedResource(AbandonedKind.Device, 0, _block));
        }

        End();
    }
}

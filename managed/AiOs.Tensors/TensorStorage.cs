using AiOs.Runtime;

namespace AiOs.Tensors;

/// <summary>A block of device memory that several tensors may view; it is freed when the last hold is dropped.</summary>
internal sealed class TensorStorage
{
    private Stream? _stream;
    private nint _address;

    /// <summary>Leaves a block that was never disposed to the device: a finaliser never calls the driver.</summary>
    ~TensorStorage()
    {
        if (_address != 0)
        {
            _stream!.Device.Memory.Abandon(new AbandonedResource(AbandonedKind.Device, _address));
        }
    }

    /// <summary>Address of the block.</summary>
    public nint Address => _address;

    /// <summary>Holds on the block: handles, saved activations, gradients.</summary>
    public int Holds { get; set; }

    /// <summary>Those of the holds that are handles owned by a tape, which end with the tape's backward pass.</summary>
    public int TapeHolds { get; set; }

    /// <summary>Allocates a block with one hold.</summary>
    public static TensorStorage Allocate(Stream stream, long bytes)
    {
        TensorStorage storage = Pool<TensorStorage>.Rent();
        try
        {
            storage._address = stream.Device.Memory.Allocate(bytes, stream);
        }
        catch
        {
            Pool<TensorStorage>.Return(storage);
            throw;
        }

        storage._stream = stream;
        storage.Holds = 1;
        storage.TapeHolds = 0;
        return storage;
    }

    /// <summary>Drops a hold.</summary>
    public void Drop()
    {
        if (--Holds == 0)
        {
            _stream!.Device.Memory.Free(_address, _stream);
            _address = 0;
            _stream = null;
            Pool<TensorStorage>.Return(this);
        }
    }
}

using System.Runtime.CompilerServices;
using AiOs.Interop;

namespace AiOs.Tensors;

/// <summary>
/// Owns a tensor in the form of DLPack (<c>DLManagedTensorVersioned</c>, or the <c>DLManagedTensor</c> that came before
/// it) until it is given away: to another library with <see cref="Detach"/>, or to <see cref="Tensor.FromDLPack"/>.
/// Disposing it, or forgetting it, calls the producer's deleter; that happens exactly once whoever owns it in the end.
/// </summary>
public sealed unsafe class DLPackHandle : IDisposable
{
    private nint _managed;

    private DLPackHandle(nint managed, bool isVersioned)
    {
        _managed = managed;
        IsVersioned = isVersioned;
    }

    /// <summary>Gives the tensor back; one of ours goes to the device by way of its queue, since a finaliser calls no driver.</summary>
    ~DLPackHandle()
    {
        nint managed = Interlocked.Exchange(ref _managed, 0);
        if (managed != 0 && !DLPackExport.TryAbandon(managed, IsVersioned))
        {
            Delete(managed);
        }
    }

    /// <summary>True for <c>DLManagedTensorVersioned</c>, false for the <c>DLManagedTensor</c> of before DLPack 1.</summary>
    public bool IsVersioned { get; }

    /// <summary>Address of the struct, still owned by this handle.</summary>
    /// <exception cref="ObjectDisposedException">It was given away or disposed.</exception>
    public nint Pointer
    {
        get
        {
            nint managed = _managed;
            return managed != 0 ? managed : throw Gone();
        }
    }

    /// <summary>Takes a <c>DLManagedTensorVersioned</c> from the library that made it.</summary>
    /// <param name="managed">Its address, such as the pointer in a capsule named "dltensor_versioned".</param>
    /// <exception cref="ArgumentException">The address is null.</exception>
    public static DLPackHandle Take(nint managed) => new(NotNull(managed), true);

    /// <summary>Takes a <c>DLManagedTensor</c>, without a version, from the library that made it.</summary>
    /// <param name="managed">Its address, such as the pointer in a capsule named "dltensor".</param>
    /// <exception cref="ArgumentException">The address is null.</exception>
    public static DLPackHandle TakeLegacy(nint managed) => new(NotNull(managed), false);

    /// <summary>Gives the struct to another library, which must call its deleter once, on any thread.</summary>
    /// <returns>Address of the struct.</returns>
    /// <exception cref="ObjectDisposedException">It was given away or disposed before.</exception>
    public nint Detach()
    {
        nint managed = Interlocked.Exchange(ref _managed, 0);
        return managed != 0 ? managed : throw Gone();
    }

    /// <summary>Calls the deleter, unless the struct was given away.</summary>
    public void Dispose()
    {
        nint managed = Interlocked.Exchange(ref _managed, 0);
        GC.SuppressFinalize(this);
        if (managed != 0)
        {
            Delete(managed);
        }
    }

    /// <summary>Moves the ownership into a new handle, so that nobody else can give the struct away.</summary>
    internal DLPackHandle Move() => new(Detach(), IsVersioned);

    private static nint NotNull(nint managed, [CallerMemberName] string call = "") =>
        managed != 0 ? managed : throw new ArgumentException($"DLPackHandle.{call}: the address is null", nameof(managed));

    private static ObjectDisposedException Gone() =>
        new(nameof(DLPackHandle), "the tensor was given away or disposed; every DLPack struct has one owner and is consumed once");

    private void Delete(nint managed)
    {
        if (IsVersioned)
        {
            // The fields before the flags lie the same in every version: the deleter may be called whatever it is.
            var versioned = (aios_dlpack_managed*)managed;
            if (versioned->deleter is not null)
            {
                versioned->deleter(versioned);
            }

            return;
        }

        var legacy = (aios_dlpack_legacy*)managed;
        if (legacy->deleter is not null)
        {
            legacy->deleter(legacy);
        }
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using AiOs.Interop;

namespace AiOs.Tensors;

/// <summary>
/// Makes the structs that a consumer gets. A struct and its extents are one native block; its context is a handle to the
/// storage, of which it is a share, so that the data outlives the tensor as long as the consumer needs it.
/// </summary>
internal static unsafe class DLPackExport
{
    private static readonly delegate* unmanaged[Cdecl]<aios_dlpack_managed*, void> s_deleter = &Delete;
    private static readonly delegate* unmanaged[Cdecl]<aios_dlpack_legacy*, void> s_legacyDeleter = &Delete;

    /// <summary>The tensor as a <c>DLManagedTensorVersioned</c>.</summary>
    public static DLPackHandle Make(TensorBody body, aios_dlpack_flags flags)
    {
        var managed = (aios_dlpack_managed*)Allocate(sizeof(aios_dlpack_managed), body, out long* extents);
        managed->version = new aios_dlpack_version { major = AiosConstants.AIOS_DLPACK_MAJOR, minor = AiosConstants.AIOS_DLPACK_MINOR };
        managed->context = Share(body);
        managed->deleter = s_deleter;
        managed->flags = flags;
        managed->tensor = Describe(body, extents);
        return DLPackHandle.Take((nint)managed);
    }

    /// <summary>The tensor as a <c>DLManagedTensor</c>, which has no version and no flags.</summary>
    public static DLPackHandle MakeLegacy(TensorBody body)
    {
        var managed = (aios_dlpack_legacy*)Allocate(sizeof(aios_dlpack_legacy), body, out long* extents);
        managed->tensor = Describe(body, extents);
        managed->context = Share(body);
        managed->deleter = s_legacyDeleter;
        return DLPackHandle.TakeLegacy((nint)managed);
    }

    /// <summary>Takes a struct that was made here back from a finaliser; false when another library made it.</summary>
    public static bool TryAbandon(nint managed, bool isVersioned)
    {
        if (isVersioned && (nint)((aios_dlpack_managed*)managed)->deleter == (nint)s_deleter)
        {
            End(((aios_dlpack_managed*)managed)->context, (void*)managed, true);
            return true;
        }

        if (!isVersioned && (nint)((aios_dlpack_legacy*)managed)->deleter == (nint)s_legacyDeleter)
        {
            End(((aios_dlpack_legacy*)managed)->context, (void*)managed, true);
            return true;
        }

        return false;
    }

    private static void* Allocate(int structBytes, TensorBody body, out long* extents)
    {
        var block = (byte*)NativeMemory.Alloc((nuint)(structBytes + (2 * body.Rank * sizeof(long))));
        extents = (long*)(block + structBytes);
        body.Shape.CopyTo(new Span<long>(extents, body.Rank));
        body.Strides.CopyTo(new Span<long>(extents + body.Rank, body.Rank));
        return block;
    }

    // The first element is the start and the offset 0, as consumers exist that do not look at the offset.
    private static aios_dlpack_tensor Describe(TensorBody body, long* extents) => new()
    {
        data = body.Length == 0 ? null : (void*)body.Pointer,
        device = body.Device.Driver.InterchangeDevice,
        rank = body.Rank,
        dtype = DLPackTypes.Of(body.DType),
        shape = extents,
        strides = extents + body.Rank,
        byte_offset = 0,
    };

    private static void* Share(TensorBody body) => (void*)GCHandle.ToIntPtr(GCHandle.Alloc(body.ShareStorage()));

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Delete(aios_dlpack_managed* self) => End(self->context, self, false);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Delete(aios_dlpack_legacy* self) => End(self->context, self, false);

    private static void End(void* context, void* block, bool finalizing)
    {
        GCHandle handle = GCHandle.FromIntPtr((nint)context);
        var storage = (TensorStorage)handle.Target!;
        handle.Free();
        NativeMemory.Free(block);
        storage.DropShare(finalizing);
    }
}

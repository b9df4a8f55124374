using System.Runtime.InteropServices;
using AiOs.Interop;

namespace AiOs.Tensors.Tests;

/// <summary>The library of tests/dlpack: a producer and consumer of tensors, written in C.</summary>
internal static unsafe class DLPackPeer
{
    private static readonly nint s_library = NativeLibrary.Load(Path.Combine(AppContext.BaseDirectory, "dlpack", "libaios_dlpack_peer.so"));

    private static readonly delegate* unmanaged[Cdecl]<aios_dlpack_version, aios_dlpack_flags, aios_dlpack_tensor*, long, int*, aios_dlpack_managed*> s_make =
        (delegate* unmanaged[Cdecl]<aios_dlpack_version, aios_dlpack_flags, aios_dlpack_tensor*, long, int*, aios_dlpack_managed*>)NativeLibrary.GetExport(s_library, "peer_make");

    private static readonly delegate* unmanaged[Cdecl]<aios_dlpack_tensor*, long, int*, aios_dlpack_legacy*> s_makeLegacy =
        (delegate* unmanaged[Cdecl]<aios_dlpack_tensor*, long, int*, aios_dlpack_legacy*>)NativeLibrary.GetExport(s_library, "peer_make_legacy");

    private static readonly delegate* unmanaged[Cdecl]<aios_dlpack_tensor*, double> s_sum =
        (delegate* unmanaged[Cdecl]<aios_dlpack_tensor*, double>)NativeLibrary.GetExport(s_library, "peer_sum");

    private static readonly delegate* unmanaged[Cdecl]<aios_dlpack_tensor*, float, void> s_fill =
        (delegate* unmanaged[Cdecl]<aios_dlpack_tensor*, float, void>)NativeLibrary.GetExport(s_library, "peer_fill");

    private static readonly delegate* unmanaged[Cdecl]<aios_dlpack_managed*, void> s_releaseElsewhere =
        (delegate* unmanaged[Cdecl]<aios_dlpack_managed*, void>)NativeLibrary.GetExport(s_library, "peer_release_elsewhere");

    public static double Sum(aios_dlpack_tensor* tensor) => s_sum(tensor);

    public static void Fill(aios_dlpack_tensor* tensor, float value) => s_fill(tensor, value);

    public static void ReleaseElsewhere(nint managed) => s_releaseElsewhere((aios_dlpack_managed*)managed);

    /// <summary>What a test wants the peer to make; what is not said is a dense float32 tensor of the host in version 1.1.</summary>
    internal sealed class Order : IDisposable
    {
        private readonly int* _deletions = (int*)NativeMemory.AllocZeroed(sizeof(int));

        public long[]? Shape { get; init; } = [2, 3];

        public long[]? Strides { get; init; }

        public int? Rank { get; init; }

        public long Bytes { get; init; } = 24;

        public ulong ByteOffset { get; init; }

        public aios_dlpack_dtype Type { get; init; } = new() { code = aios_dlpack_code.Float, bits = 32, lanes = 1 };

        public aios_dlpack_device Device { get; init; } = new() { type = aios_dlpack_device_type.Cpu };

        public aios_dlpack_version Version { get; init; } = new() { major = 1, minor = 1 };

        public aios_dlpack_flags Flags { get; init; }

        /// <summary>How often the deleter was called.</summary>
        public int Deletions => Volatile.Read(ref *_deletions);

        public aios_dlpack_managed* Make()
        {
            fixed (long* shape = Shape, strides = Strides)
            {
                aios_dlpack_tensor like = Like(shape, strides);
                return s_make(Version, Flags, &like, Bytes, _deletions);
            }
        }

        public aios_dlpack_legacy* MakeLegacy()
        {
            fixed (long* shape = Shape, strides = Strides)
            {
                aios_dlpack_tensor like = Like(shape, strides);
                return s_makeLegacy(&like, Bytes, _deletions);
            }
        }

        public void Dispose() => NativeMemory.Free(_deletions);

        private aios_dlpack_tensor Like(long* shape, long* strides) => new()
        {
            device = Device,
            rank = Rank ?? Shape!.Length,
            dtype = Type,
            shape = shape,
            strides = strides,
            byte_offset = ByteOffset,
        };
    }
}

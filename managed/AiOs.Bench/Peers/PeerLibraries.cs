using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using AiOs.Runtime;

namespace AiOs.Bench.Peers;

/// <summary>The other libraries that are installed, opened in their fair settings.</summary>
internal sealed unsafe class PeerLibraries : IDisposable
{
    /// <summary>
    /// Turns that idle threads of GNU OpenMP look for work: some tenths of a millisecond. Enough for the next of a series of
    /// small products to find them awake, and short against the rest that every peer is followed by.
    /// </summary>
    private const string SpinCount = "30000";

    private PeerLibraries()
    {
    }

    /// <summary>No library: peers were not asked for, or the device's memory is not theirs.</summary>
    public static PeerLibraries None { get; } = new();

    /// <summary>Libraries with the C interface to BLAS.</summary>
    public IReadOnlyList<BlasLibrary> Blas { get; private init; } = [];

    /// <summary>oneDNN; null when it is not installed.</summary>
    public OneDnn? OneDnn { get; private init; }

    /// <summary>cuBLASLt; null when it is not installed, or the device is none of its.</summary>
    public CublasLt? Cublas { get; private init; }

    /// <summary>Whether what .NET itself brings is measured.</summary>
    public bool Managed { get; private init; }

    /// <summary>The processors of the calling thread when the libraries' threads have one each; null when they are free.</summary>
    public ThreadMask? Threads { get; private init; }

    /// <summary>What was opened: names, versions, settings.</summary>
    public IReadOnlyList<string> Descriptions { get; private init; } = [];

    /// <summary>The libraries for a GPU.</summary>
    /// <param name="note">Is told when one is missing.</param>
    public static PeerLibraries OpenForGpu(Action<string> note)
    {
        CublasLt? cublas = CublasLt.Find();
        if (cublas is null)
        {
            note(CublasLt.Missing);
        }

        return new PeerLibraries { Cublas = cublas, Descriptions = cublas is null ? [] : [cublas.Description] };
    }

    /// <summary>
    /// Opens what is installed. Settings are made before, because the libraries read them when they are loaded: as many threads
    /// as ours; threads that go to sleep soon when they have nothing to do, so that they do not take the cores from the pool under test; each thread on a processor of its
    /// own, because two that wake up on one take turns of a millisecond; and on
    /// processors of AMD with AVX-512 the kernels for it, which OpenBLAS up to 0.3.21 does not choose by itself. They replace what
    /// the environment says: a peer in a setting that slows it down would prove nothing.
    /// </summary>
    /// <param name="device">Gives the number of threads and the size of the second-level cache.</param>
    public static PeerLibraries Open(DeviceInfo device)
    {
        int threads = device.Threads;
        string count = threads.ToString(CultureInfo.InvariantCulture);
        List<(string Name, string Value)> settings =
        [
            ("OMP_NUM_THREADS", count), ("OPENBLAS_NUM_THREADS", count), ("BLIS_NUM_THREADS", count),
            ("OMP_WAIT_POLICY", "passive"), ("GOMP_SPINCOUNT", SpinCount), ("OMP_DYNAMIC", "false"),
        ];
        if (System.Runtime.Intrinsics.X86.Avx512BW.IsSupported)
        {
            settings.Add(("OPENBLAS_CORETYPE", "SkylakeX"));
        }

        if (device.L2Bytes > 0)
        {
            settings.Add(("OPENBLAS_L2_SIZE", (device.L2Bytes >> 10).ToString(CultureInfo.InvariantCulture)));
        }

        ThreadMask? mask = null;
        if (NativeLibrary.TryLoad(EnvironmentTable.LibraryNames[0], out nint libc))
        {
            EnvironmentTable environment = new(libc);
            mask = ThreadMask.Read(environment) is { } read && read.Count >= threads ? read : null;
            if (mask is not null)
            {
                settings.AddRange([("OMP_PROC_BIND", "true"), ("OMP_PLACES", "threads")]);
            }

            foreach ((string name, string value) in settings)
            {
                fixed (byte* key = Encoding.UTF8.GetBytes(name + "\0"), text = Encoding.UTF8.GetBytes(value + "\0"))
                {
                    _ = environment.setenv(key, text, 1);
                }
            }
        }

        BlasLibrary[] blas = [.. BlasLibrary.Find(threads)];
        OneDnn? oneDnn = OneDnn.Find();

        // GNU OpenMP binds the thread that loads it, too, and what that thread starts later would inherit it.
        mask?.UseAll();
        return new PeerLibraries
        {
            Blas = blas,
            OneDnn = oneDnn,
            Threads = mask,
            Managed = true,
            Descriptions = [.. blas.Select(library => library.Description), .. oneDnn is null ? [] : new[] { oneDnn.Description }],
        };
    }

    /// <summary>Frees what a library gave.</summary>
    public void Dispose() => Cublas?.Dispose();
}

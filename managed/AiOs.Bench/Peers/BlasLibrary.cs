using System.Runtime.InteropServices;

namespace AiOs.Bench.Peers;

/// <summary>A library with the C interface to BLAS.</summary>
internal sealed unsafe class BlasLibrary
{
    private static readonly (string Name, string[] Files)[] Known =
    [
        ("openblas", ["libopenblas.so.0", "libopenblas.so"]),
        ("blis", ["libblis.so.4", "libblis.so"]),
    ];

    private readonly CblasTable _table;

    private BlasLibrary(string name, CblasTable table, int threads)
    {
        (Name, _table) = (name, table);
        Description = name;
        if (table.HasOpenblas_get_config)
        {
            table.openblas_set_num_threads(threads);
            Description = $"{Text(table.openblas_get_config())}, kernels for {Text(table.openblas_get_corename())}";
        }
        else if (table.HasBli_info_get_version_str)
        {
            Description = $"BLIS {Text(table.bli_info_get_version_str())}";
        }
    }

    /// <summary>Name in the results.</summary>
    public string Name { get; }

    /// <summary>Version and the kernels it chose.</summary>
    public string Description { get; }

    /// <summary>The installed ones.</summary>
    public static IEnumerable<BlasLibrary> Find(int threads)
    {
        foreach ((string name, string[] files) in Known)
        {
            foreach (string file in files)
            {
                if (NativeLibrary.TryLoad(file, out nint handle) && NativeLibrary.TryGetExport(handle, "cblas_sgemm", out _))
                {
                    yield return new BlasLibrary(name, new CblasTable(handle, file), threads);
                    break;
                }
            }
        }
    }

    /// <summary>C = op(A) op(B) of binary32 matrices whose rows are contiguous.</summary>
    public void Multiply(nint c, nint a, nint b, int m, int n, int k, bool transA, bool transB) =>
        _table.cblas_sgemm(
            PeerConstants.CBLAS_ROW_MAJOR,
            transA ? PeerConstants.CBLAS_TRANSPOSE : PeerConstants.CBLAS_NO_TRANSPOSE,
            transB ? PeerConstants.CBLAS_TRANSPOSE : PeerConstants.CBLAS_NO_TRANSPOSE,
            m, n, k, 1, (float*)a, transA ? m : k, (float*)b, transB ? k : n, 0, (float*)c, n);

    private static string Text(byte* text) => (Marshal.PtrToStringUTF8((nint)text) ?? string.Empty).Trim();
}

using System.Runtime.InteropServices;
using AiOs.Bench.Measure;
using AiOs.Bench.Peers.Cuda;
using AiOs.Interop.Cuda;
using AiOs.Runtime;

namespace AiOs.Bench.Peers;

/// <summary>cuBLASLt: matrix products of row-major matrices, by the algorithm that its heuristic puts first.</summary>
internal sealed unsafe class CublasLt : IDisposable
{
    /// <summary>What is to be installed where the library is missing.</summary>
    public const string Missing = "cuBLASLt was not found: put the folder of libcublasLt.so.12 or .13 on LD_LIBRARY_PATH";

    private const long WorkspaceBytes = 32 << 20;
    private const int Patches = 100, Minors = 100;

    private readonly CublasLtTable _table;
    private readonly cublasLtHandle_t _handle;

    private CublasLt(CublasLtTable table)
    {
        _table = table;
        cublasLtHandle_t handle;
        Check(table.cublasLtCreate(&handle), "cublasLtCreate");
        _handle = handle;
        long version = (long)table.cublasLtGetVersion();
        Description = $"cuBLASLt {version / (Patches * Minors)}.{version / Patches % Minors}.{version % Patches}";
    }

    /// <summary>Version.</summary>
    public string Description { get; }

    /// <summary>The library when it is installed.</summary>
    public static CublasLt? Find()
    {
        foreach (string name in CublasLtTable.LibraryNames)
        {
            if (NativeLibrary.TryLoad(name, out nint handle))
            {
                return new CublasLt(new CublasLtTable(handle, name));
            }
        }

        return null;
    }

    /// <summary>A product ready to run: c [m][n] = op(a) op(b).</summary>
    /// <param name="name">Name in the results.</param>
    /// <param name="context">Gives the stream and the timer.</param>
    /// <param name="shape">Extents and which operands are stored transposed.</param>
    /// <param name="types">Types of the operands, the result and the arithmetic.</param>
    /// <param name="a">The first operand.</param>
    /// <param name="b">The second operand.</param>
    /// <param name="c">The result.</param>
    /// <exception cref="AiOsException">The library has no algorithm for it.</exception>
    public PeerRun MakeProduct(
        string name, BenchContext context, (long M, long N, long K, bool TransA, bool TransB) shape, in CublasTypes types, Operand a, Operand b, Operand c)
    {
        Product product = new(this, name, context, types.Scale == cudaDataType.R32i, a, b, c);
        try
        {
            product.Make(shape, types);
            return product;
        }
        catch
        {
            product.Dispose();
            throw;
        }
    }

    public void Dispose() => _ = _table.cublasLtDestroy(_handle);

    private static void Check(cublasStatus_t status, string call)
    {
        if (status != cublasStatus_t.Success)
        {
            throw new AiOsException($"{call}: cuBLASLt returned {status}; leave --peers out, or install another version");
        }
    }

    private sealed class Product(CublasLt library, string name, BenchContext context, bool whole, Operand a, Operand b, Operand c) : PeerRun(name)
    {
        private readonly Operand _workspace = new(context.Stream, Interop.aios_dtype.U8, WorkspaceBytes);
        private cublasLtMatmulDesc_t _desc;
        private cublasLtMatrixLayout_t _left;
        private cublasLtMatrixLayout_t _right;
        private cublasLtMatrixLayout_t _result;
        private cublasLtMatmulAlgo_t _algorithm;

        /// <summary>
        /// The library counts columns first, in which a row-major matrix is its transpose: the result is the product of the
        /// second operand and the first.
        /// </summary>
        public void Make((long M, long N, long K, bool TransA, bool TransB) shape, in CublasTypes types)
        {
            CublasLtTable table = library._table;
            cublasLtMatmulDesc_t desc;
            Check(table.cublasLtMatmulDescCreate(&desc, types.Compute, types.Scale), "cublasLtMatmulDescCreate");
            _desc = desc;
            SetOperation(cublasLtMatmulDescAttributes_t.Transa, shape.TransB);
            SetOperation(cublasLtMatmulDescAttributes_t.Transb, shape.TransA);
            _left = shape.TransB ? Layout(types.Operands, shape.K, shape.N) : Layout(types.Operands, shape.N, shape.K);
            _right = shape.TransA ? Layout(types.Operands, shape.M, shape.K) : Layout(types.Operands, shape.K, shape.M);
            _result = Layout(types.Result, shape.N, shape.M);
            cublasLtMatmulPreference_t preference;
            Check(table.cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
            nuint bytes = (nuint)WorkspaceBytes;
            cublasLtMatmulHeuristicResult_t found = default;
            int count = 0;
            Check(table.cublasLtMatmulPreferenceSetAttribute(preference, cublasLtMatmulPreferenceAttributes_t.MaxWorkspaceBytes, &bytes, (nuint)sizeof(nuint)), "cublasLtMatmulPreferenceSetAttribute");
            cublasStatus_t status = table.cublasLtMatmulAlgoGetHeuristic(library._handle, _desc, _left, _right, _result, _result, preference, 1, &found, &count);
            _ = table.cublasLtMatmulPreferenceDestroy(preference);
            Check(status, "cublasLtMatmulAlgoGetHeuristic");
            _algorithm = found.algo;
        }

        public override void Launch(int index)
        {
            // Both scalars are of the type of the scale.
            float one = 1, zero = 0;
            int wholeOne = 1;
            cublasLtMatmulAlgo_t algorithm = _algorithm;
            Check(
                library._table.cublasLtMatmul(
                    library._handle, _desc, whole ? &wholeOne : &one, (void*)b.At(index), _left, (void*)a.Pointer, _right, &zero, (void*)c.Pointer, _result,
                    (void*)c.Pointer, _result, &algorithm, (void*)_workspace.Pointer, (nuint)_workspace.Bytes, new CUstream(context.Stream.Handle.Value)),
                "cublasLtMatmul");
        }

        public override double Time(int first, int launches) => context.Timer.Time(Launch, first, launches);

        public override void Dispose()
        {
            foreach (cublasLtMatrixLayout_t layout in (ReadOnlySpan<cublasLtMatrixLayout_t>)[_left, _right, _result])
            {
                _ = layout == default ? default : library._table.cublasLtMatrixLayoutDestroy(layout);
            }

            _ = _desc == default ? default : library._table.cublasLtMatmulDescDestroy(_desc);
            _workspace.Dispose();
        }

        private void SetOperation(cublasLtMatmulDescAttributes_t operand, bool transposed)
        {
            cublasOperation_t operation = transposed ? cublasOperation_t.T : cublasOperation_t.N;
            Check(library._table.cublasLtMatmulDescSetAttribute(_desc, operand, &operation, sizeof(cublasOperation_t)), "cublasLtMatmulDescSetAttribute");
        }

        private cublasLtMatrixLayout_t Layout(cudaDataType type, long rows, long columns)
        {
            cublasLtMatrixLayout_t layout;
            Check(library._table.cublasLtMatrixLayoutCreate(&layout, type, (ulong)rows, (ulong)columns, rows), "cublasLtMatrixLayoutCreate");
            return layout;
        }
    }
}

/// <summary>What a product of cuBLASLt computes with.</summary>
/// <param name="Operands">Type of both operands.</param>
/// <param name="Result">Type of the result.</param>
/// <param name="Compute">The arithmetic.</param>
/// <param name="Scale">Type of the scalars.</param>
internal readonly record struct CublasTypes(cudaDataType Operands, cudaDataType Result, cublasComputeType_t Compute, cudaDataType Scale)
{
    /// <summary>Types of an element type in the results; <c>tf32</c> is binary32 in memory.</summary>
    public static CublasTypes Of(string dtype) => dtype switch
    {
        "bf16" => new(cudaDataType.R16bf, cudaDataType.R32f, cublasComputeType_t._32f, cudaDataType.R32f),
        "i8" => new(cudaDataType.R8i, cudaDataType.R32i, cublasComputeType_t._32i, cudaDataType.R32i),
        "e4m3" => new(cudaDataType.R8fE4m3, cudaDataType.R32f, cublasComputeType_t._32f, cudaDataType.R32f),
        "tf32" => new(cudaDataType.R32f, cudaDataType.R32f, cublasComputeType_t._32fFastTf32, cudaDataType.R32f),
        _ => new(cudaDataType.R32f, cudaDataType.R32f, cublasComputeType_t._32f, cudaDataType.R32f),
    };
}

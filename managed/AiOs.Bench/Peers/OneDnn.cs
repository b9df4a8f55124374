using System.Runtime.InteropServices;
using AiOs.Interop;

namespace AiOs.Bench.Peers;

/// <summary>oneDNN 2: its matrix product, with the second operand as it is or in a layout of the library's choice.</summary>
internal sealed unsafe class OneDnn
{
    private readonly OneDnnTable _table;
    private readonly dnnl_engine_t _engine;
    private readonly dnnl_stream_t _stream;

    private OneDnn(OneDnnTable table)
    {
        _table = table;
        dnnl_engine_t engine;
        dnnl_stream_t stream;
        Check(table.dnnl_engine_create(&engine, PeerConstants.DNNL_CPU, 0), "dnnl_engine_create");
        Check(table.dnnl_stream_create(&stream, engine, PeerConstants.DNNL_STREAM_IN_ORDER), "dnnl_stream_create");
        (_engine, _stream) = (engine, stream);
        dnnl_version_t* version = table.dnnl_version();
        Description = $"oneDNN {version->major}.{version->minor}.{version->patch}";
    }

    /// <summary>Version.</summary>
    public string Description { get; }

    /// <summary>The library when it is installed.</summary>
    public static OneDnn? Find()
    {
        foreach (string name in OneDnnTable.LibraryNames)
        {
            if (NativeLibrary.TryLoad(name, out nint handle) && NativeLibrary.TryGetExport(handle, "dnnl_matmul_desc_init", out _))
            {
                return new OneDnn(new OneDnnTable(handle, name));
            }
        }

        return null;
    }

    /// <summary>The library's number of an element type; 0 when it has none.</summary>
    public static int TypeOf(aios_dtype dtype) => dtype switch
    {
        aios_dtype.F32 => PeerConstants.DNNL_F32,
        aios_dtype.Bf16 => PeerConstants.DNNL_BF16,
        aios_dtype.I32 => PeerConstants.DNNL_S32,
        aios_dtype.I8 => PeerConstants.DNNL_S8,
        aios_dtype.U8 => PeerConstants.DNNL_U8,
        _ => 0,
    };

    /// <summary>A product ready to run: c [m][n] = op(a) op(b).</summary>
    /// <param name="shape">Extents and which operands are stored transposed.</param>
    /// <param name="types">The library's element types of a, b and c.</param>
    /// <param name="packed">Whether b is brought into a layout of the library's choice beforehand.</param>
    /// <param name="a">Address of the first operand for a launch.</param>
    /// <param name="b">Addresses of all copies of the second operand.</param>
    /// <param name="c">Address of the result.</param>
    /// <param name="threads">The processors of the calling thread; null when the library's threads are not bound.</param>
    public PeerRun MakeProduct(
        (int M, int N, int K, bool TransA, bool TransB) shape, (int A, int B, int C) types, bool packed, nint a, IReadOnlyList<nint> b, nint c,
        ThreadMask? threads)
    {
        Product product = new(this, packed ? "onednn_packed" : "onednn", threads);
        try
        {
            product.Make(shape, types, packed, a, b, c);
            return product;
        }
        catch
        {
            product.Dispose();
            throw;
        }
    }

    private static void Check(int status, string call)
    {
        if (status != PeerConstants.DNNL_SUCCESS)
        {
            throw new Runtime.AiOsException($"{call}: oneDNN returned status {status}; leave --peers out, or install another version");
        }
    }

    private sealed class Product : PeerRun
    {
        private readonly OneDnn _library;
        private readonly List<dnnl_memory_t> _memories = [];
        private readonly List<nint> _blocks = [];
        private readonly List<dnnl_memory_t> _weights = [];
        private dnnl_primitive_t _primitive;
        private dnnl_memory_t _source;
        private dnnl_memory_t _result;

        public Product(OneDnn library, string name, ThreadMask? threads)
            : base(name, threads) => _library = library;

        public void Make(
            (int M, int N, int K, bool TransA, bool TransB) shape, (int A, int B, int C) types, bool packed, nint a, IReadOnlyList<nint> b, nint c)
        {
            OneDnnTable table = _library._table;
            int plain = shape.TransB ? PeerConstants.DNNL_TAG_BA : PeerConstants.DNNL_TAG_AB;
            dnnl_memory_desc_t source = Describe(shape.M, shape.K, types.A, shape.TransA ? PeerConstants.DNNL_TAG_BA : PeerConstants.DNNL_TAG_AB);
            dnnl_memory_desc_t given = Describe(shape.K, shape.N, types.B, plain);
            dnnl_memory_desc_t wanted = Describe(shape.K, shape.N, types.B, packed ? PeerConstants.DNNL_TAG_ANY : plain);
            dnnl_memory_desc_t result = Describe(shape.M, shape.N, types.C, PeerConstants.DNNL_TAG_AB);
            dnnl_matmul_desc_t product;
            dnnl_primitive_desc_t choice;
            dnnl_primitive_t primitive;
            Check(table.dnnl_matmul_desc_init(&product, &source, &wanted, null, &result), "dnnl_matmul_desc_init");
            Check(table.dnnl_primitive_desc_create(&choice, &product, default, _library._engine, default), "dnnl_primitive_desc_create");
            try
            {
                dnnl_memory_desc_t* layout = table.dnnl_primitive_desc_query_md(choice, PeerConstants.DNNL_QUERY_WEIGHTS_MD, 0);
                Check(table.dnnl_primitive_create(&primitive, choice), "dnnl_primitive_create");
                _primitive = primitive;
                _source = Wrap(&source, a);
                _result = Wrap(&result, c);
                foreach (nint address in b)
                {
                    _weights.Add(packed ? Pack(&given, layout, address) : Wrap(&given, address));
                }
            }
            finally
            {
                _ = table.dnnl_primitive_desc_destroy(choice);
            }
        }

        public override void Launch(int index)
        {
            dnnl_exec_arg_t* arguments = stackalloc dnnl_exec_arg_t[3];
            arguments[0] = new dnnl_exec_arg_t { arg = PeerConstants.DNNL_ARGUMENT_SRC, memory = _source };
            arguments[1] = new dnnl_exec_arg_t { arg = PeerConstants.DNNL_ARGUMENT_WEIGHTS, memory = _weights[index % _weights.Count] };
            arguments[2] = new dnnl_exec_arg_t { arg = PeerConstants.DNNL_ARGUMENT_DST, memory = _result };
            Check(_library._table.dnnl_primitive_execute(_primitive, _library._stream, 3, arguments), "dnnl_primitive_execute");
            Check(_library._table.dnnl_stream_wait(_library._stream), "dnnl_stream_wait");
        }

        public override void Dispose()
        {
            if (_primitive != default)
            {
                _ = _library._table.dnnl_primitive_destroy(_primitive);
                _primitive = default;
            }

            foreach (dnnl_memory_t memory in _memories)
            {
                _ = _library._table.dnnl_memory_destroy(memory);
            }

            _memories.Clear();
            foreach (nint block in _blocks)
            {
                NativeMemory.AlignedFree((void*)block);
            }

            _blocks.Clear();
        }

        private dnnl_memory_desc_t Describe(long rows, long columns, int type, int tag)
        {
            long* extents = stackalloc long[] { rows, columns };
            dnnl_memory_desc_t desc;
            Check(_library._table.dnnl_memory_desc_init_by_tag(&desc, 2, extents, type, tag), "dnnl_memory_desc_init_by_tag");
            return desc;
        }

        private dnnl_memory_t Wrap(dnnl_memory_desc_t* desc, nint address)
        {
            dnnl_memory_t memory;
            Check(_library._table.dnnl_memory_create(&memory, desc, _library._engine, (void*)address), "dnnl_memory_create");
            _memories.Add(memory);
            return memory;
        }

        private dnnl_memory_t Pack(dnnl_memory_desc_t* from, dnnl_memory_desc_t* to, nint address)
        {
            OneDnnTable table = _library._table;
            nuint bytes = (nuint)table.dnnl_memory_desc_get_size(to);
            nint block = (nint)NativeMemory.AlignedAlloc(bytes, 1 << 21);
            _blocks.Add(block);
            dnnl_memory_t source = Wrap(from, address), packed = Wrap(to, block);
            dnnl_primitive_desc_t choice;
            dnnl_primitive_t reorder;
            Check(
                table.dnnl_reorder_primitive_desc_create(&choice, from, _library._engine, to, _library._engine, default),
                "dnnl_reorder_primitive_desc_create");
            int made = table.dnnl_primitive_create(&reorder, choice);
            _ = table.dnnl_primitive_desc_destroy(choice);
            Check(made, "dnnl_primitive_create");
            dnnl_exec_arg_t* arguments = stackalloc dnnl_exec_arg_t[2];
            arguments[0] = new dnnl_exec_arg_t { arg = PeerConstants.DNNL_ARGUMENT_SRC, memory = source };
            arguments[1] = new dnnl_exec_arg_t { arg = PeerConstants.DNNL_ARGUMENT_DST, memory = packed };
            int status = table.dnnl_primitive_execute(reorder, _library._stream, 2, arguments);
            _ = table.dnnl_stream_wait(_library._stream);
            _ = table.dnnl_primitive_destroy(reorder);
            Check(status, "dnnl_primitive_execute");
            return packed;
        }
    }
}

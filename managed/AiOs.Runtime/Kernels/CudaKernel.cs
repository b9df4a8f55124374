using AiOs.Interop;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>
/// A kernel of the program's own, compiled from CUDA C++ while it runs, for a device of the backends <c>cuda</c> and
/// <c>cuda-sim</c>. Safe for use by several threads.
/// </summary>
public sealed unsafe class CudaKernel : IDisposable
{
    private const int GrantedShared = 48 << 10; // more must be asked for
    private const int ArgumentBytes = 64;
    private const int MostArguments = 64;

    private readonly CudaContext _context;
    private readonly CUmodule _module;
    private readonly CUfunction _function;
    private readonly int[]? _sizes;
    private int _shared = GrantedShared;
    private int _disposed;

    private CudaKernel(Device device, CudaContext context, string name, byte[] image, byte[] lowered)
    {
        (Device, Name, _context) = (device, name, context);
        context.Enter();
        CUmodule module = default;
        CUfunction function = default;
        fixed (byte* bytes = image, entry = lowered)
        {
            device.Check(context.Fold(context.Cuda.cuModuleLoadData(&module, bytes)), "cuModuleLoadData");
            device.Check(context.Fold(context.Cuda.cuModuleGetFunction(&function, module, entry)), "cuModuleGetFunction");
        }

        (_module, _function) = (module, function);
        _sizes = ReadSizes();
    }

    /// <summary>The device that it was compiled for.</summary>
    public Device Device { get; }

    /// <summary>Its name in the source.</summary>
    public string Name { get; }

    /// <summary>Compiles a kernel.</summary>
    /// <param name="device">A CUDA device.</param>
    /// <param name="source">CUDA C++, as NVRTC takes it: without headers of the host.</param>
    /// <param name="name">The kernel: a <c>__global__</c> function, with its namespaces and template arguments if it has any.</param>
    /// <param name="options">Further options of NVRTC, such as <c>--define-macro=N=4</c>.</param>
    /// <returns>The kernel, which the caller disposes before the device.</returns>
    /// <exception cref="CudaCompilationException">The source does not compile; the exception has the compiler's log.</exception>
    /// <exception cref="BackendException">The device is no CUDA device, or NVRTC is not installed.</exception>
    public static CudaKernel Compile(Device device, string source, string name, params string[] options)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(options);
        if (device.Driver is not CudaDriver { Context: var context })
        {
            throw new BackendException(
                aios_status.Unimplemented, "CudaKernel.Compile", $"'{device.Name}' is no CUDA device; open cuda, or cuda-sim, which needs no GPU");
        }

        int capability = (context.Attribute(CUdevice_attribute.ComputeCapabilityMajor) * 10) + context.Attribute(CUdevice_attribute.ComputeCapabilityMinor);
        byte[] image = CudaCompiler.Of(context).Compile(source, name, capability, options, out byte[] lowered);
        return new CudaKernel(device, context, name, image, lowered);
    }

    /// <summary>Enqueues a launch. Allocates nothing.</summary>
    /// <param name="stream">The stream, of the kernel's device.</param>
    /// <param name="grid">Blocks.</param>
    /// <param name="block">Threads of a block, 1,024 at most.</param>
    /// <param name="sharedBytes">Dynamic shared memory of a block, in bytes.</param>
    /// <param name="arguments">
    /// One for each parameter: numbers of the same size, <see cref="DeviceMemory{T}"/>, <see cref="DeviceSpan{T}"/>, tensors,
    /// or an <see cref="Access"/>, which says whether the kernel only reads.
    /// </param>
    /// <exception cref="ArgumentException">An argument does not fit its parameter, or the stream is another device's.</exception>
    /// <exception cref="BackendException">The launch was refused; the message has the grid and the reason.</exception>
    public void Launch(Stream stream, Dim3 grid, Dim3 block, int sharedBytes, params ReadOnlySpan<KernelArgument> arguments)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentOutOfRangeException.ThrowIfNegative(sharedBytes);
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        CheckArguments(stream, arguments);
        byte* values = stackalloc byte[arguments.Length * ArgumentBytes];
        void** pointers = stackalloc void*[arguments.Length + 1];
        for (int i = 0; i < arguments.Length; i++)
        {
            pointers[i] = values + (i * ArgumentBytes);
            arguments[i].Write(pointers[i]);
            if (arguments[i].IsMemory)
            {
                arguments[i].Access.NoteUse(stream);
            }
        }

        if (Device.Races is not null)
        {
            Declare(stream, arguments);
        }

        var queue = new CUstream(stream.Handle.Value);
        CUresult result = sharedBytes > Volatile.Read(ref _shared) ? Raise(sharedBytes) : CUresult.Success;
        if (result == CUresult.Success)
        {
            result = _context.Cuda.cuLaunchKernel(
                _function, (uint)grid.X, (uint)grid.Y, (uint)grid.Z, (uint)block.X, (uint)block.Y, (uint)block.Z, (uint)sharedBytes, queue, pointers, null);
        }

        if (result != CUresult.Success)
        {
            Throw(result, grid, block, sharedBytes);
        }
    }

    /// <summary>Gives the kernel back. Launches that were enqueued have to have run.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0 && !Device.IsDisposed)
        {
            _context.Enter();
            _ = _context.Cuda.cuModuleUnload(_module);
        }
    }

    private void CheckArguments(Stream stream, ReadOnlySpan<KernelArgument> arguments)
    {
        if (stream.Device != Device)
        {
            throw new ArgumentException("the stream belongs to another device than the kernel", nameof(stream));
        }

        int expected = _sizes?.Length ?? Math.Min(arguments.Length, MostArguments);
        if (arguments.Length != expected)
        {
            throw new ArgumentException($"{Name} has {expected} parameters, but {arguments.Length} arguments were given", nameof(arguments));
        }

        for (int i = 0; _sizes is not null && i < arguments.Length; i++)
        {
            if (arguments[i].Size != _sizes[i])
            {
                throw new ArgumentException(
                    $"parameter {i} of {Name} has {_sizes[i]} bytes, but its argument has {arguments[i].Size}: give it as the type that the kernel has", nameof(arguments));
            }
        }
    }

    /// <summary>The sizes of the parameters; null when the driver is too old to tell.</summary>
    private int[]? ReadSizes()
    {
        if (_context.Cuda.cuFuncGetParamInfo == null)
        {
            return null;
        }

        var sizes = new List<int>();
        nuint offset = 0, bytes = 0;
        while (_context.Cuda.cuFuncGetParamInfo(_function, (nuint)sizes.Count, &offset, &bytes) == CUresult.Success)
        {
            sizes.Add((int)bytes);
        }

        return [.. sizes];
    }

    private CUresult Raise(int sharedBytes)
    {
        CUresult result = _context.Cuda.cuFuncSetAttribute(_function, CUfunction_attribute.MaxDynamicSharedSizeBytes, sharedBytes);
        if (result == CUresult.Success)
        {
            Volatile.Write(ref _shared, sharedBytes);
        }

        return result;
    }

    private void Declare(Stream stream, ReadOnlySpan<KernelArgument> arguments)
    {
        var accesses = new List<Access>();
        foreach (KernelArgument argument in arguments)
        {
            if (argument.IsMemory)
            {
                accesses.Add(argument.Access);
            }
        }

        stream.Declare(Name, [.. accesses]);
    }

    private void Throw(CUresult result, Dim3 grid, Dim3 block, int sharedBytes)
    {
        aios_status status = _context.Fold(result);
        string own = $"grid {grid}, block {block}, {sharedBytes} bytes of shared memory: {CudaContext.LastError}";
        Device.Check(CudaContext.Fail(status, _context.ExplainLaunch(own)), Name);
    }
}

using System.Runtime.CompilerServices;

namespace AiOs.Runtime.Tests;

/// <summary>Kernels that a program brings along, on the simulator or on a GPU.</summary>
public sealed class CudaKernelTests : IDisposable
{
    private const string Source = """
        struct Scale { double by; int shift; };

        extern "C" __global__ void __launch_bounds__(128) scale(float *out, const float *in, Scale how, int n) {
          int i = blockIdx.x * blockDim.x + threadIdx.x;
          if (i < n)
            out[i] = float(in[i] * how.by) + how.shift;
        }

        extern "C" __global__ void sums(long long *out, const int *in) {
          extern __shared__ long long window[];
          window[threadIdx.x] = in[threadIdx.x];
          __syncthreads();
          for (int half = blockDim.x / 2; half > 0; half /= 2) {
            if (threadIdx.x < half)
              window[threadIdx.x] += window[threadIdx.x + half];
            __syncthreads();
          }
          if (threadIdx.x == 0)
            *out = window[0];
        }
        """;

    private readonly Device _device = Device.Open(CudaDevices.Backend, new DeviceOptions { DetectRaces = false, CaptureCallSites = false });
    private readonly Stream _stream;

    public CudaKernelTests() => _stream = _device.CreateStream();

    public void Dispose()
    {
        _stream.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void The_example_of_the_documentation_is_the_one_that_runs()
    {
        CudaKernelExample.Run(CudaDevices.Backend);
        Assert.SkipUnless(File.Exists(PathOf("CudaKernelExample.cs")), "the repository is not on this machine");
        string[] page = File.ReadAllLines(PathOf("../../../docs/cuda-kernels.md"));
        string[] code = File.ReadAllLines(PathOf("CudaKernelExample.cs"));
        string[] shown = [.. page.SkipWhile(line => line != "```csharp").Skip(3).TakeWhile(line => line != "```")];
        string[] body = [.. code.SkipWhile(line => !line.Contains("Run(string backend)", StringComparison.Ordinal)).Skip(2).TakeWhile(line => line != "    }")];
        Assert.NotEmpty(shown);
        Assert.Equal(body.Select(line => line.Length > 8 ? line[8..] : ""), shown);
    }

    [Fact]
    public void Structs_numbers_and_memory_are_arguments()
    {
        using CudaKernel scale = CudaKernel.Compile(_device, Source, "scale");
        using DeviceMemory<float> from = _device.Allocate<float>(300, _stream), to = _device.Allocate<float>(300, _stream);
        from.CopyFrom([.. Enumerable.Range(0, 300).Select(i => (float)i)], _stream);
        to.Span.Fill(0, _stream);
        scale.Launch(_stream, 3, 128, 0, to.Span.Slice(10, 290), Access.Read(from), KernelArgument.Of(new Scale(0.5, 7)), 290);
        float[] read = new float[300];
        to.CopyTo(read, _stream);
        Assert.Equal([.. new float[10], .. Enumerable.Range(0, 290).Select(i => (i * 0.5f) + 7)], read);
    }

    [Fact]
    public void A_launch_is_captured_and_gets_other_values()
    {
        using CudaKernel scale = CudaKernel.Compile(_device, Source, "scale");
        using DeviceMemory<float> memory = _device.Allocate<float>(4, _stream);
        memory.CopyFrom([1, 2, 3, 4], _stream);
        void Launch(Stream stream, double by) => scale.Launch(stream, 1, 128, 0, memory, memory, KernelArgument.Of(new Scale(by, 0)), 4);
        using Graph graph = Graph.Capture(_stream, s => Launch(s, 2));
        Assert.Equal([new GraphNode("scale", 0)], graph.Nodes);
        graph.Launch(_stream);
        graph.Update(0, 1, s => Launch(s, 10));
        graph.Launch(_stream);
        float[] read = new float[4];
        memory.CopyTo(read, _stream);
        Assert.Equal([20, 40, 60, 80], read);
    }

    [Fact]
    public void Dynamic_shared_memory_beyond_what_every_kernel_has_is_asked_for()
    {
        using CudaKernel sums = CudaKernel.Compile(_device, Source, "sums");
        using DeviceMemory<int> from = _device.Allocate<int>(1024, _stream);
        using DeviceMemory<long> to = _device.Allocate<long>(1, _stream);
        from.CopyFrom([.. Enumerable.Range(1, 1024)], _stream);
        sums.Launch(_stream, 1, 1024, 100_000, to, Access.Read(from));
        long[] read = new long[1];
        to.CopyTo(read, _stream);
        Assert.Equal(1024 * 1025 / 2, read[0]);
        var error = Assert.Throws<BackendException>(() => sums.Launch(_stream, 1, 1024, 300_000, to, Access.Read(from)));
        Assert.Contains("sums: grid (1,1,1), block (1024,1,1), 300000 bytes of shared memory: CUDA_ERROR_INVALID_VALUE", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Arguments_that_do_not_fit_are_refused()
    {
        using CudaKernel scale = CudaKernel.Compile(_device, Source, "scale");
        using DeviceMemory<float> memory = _device.Allocate<float>(4, _stream);
        var error = Assert.Throws<ArgumentException>(() => scale.Launch(_stream, 1, 1, 0, memory, memory));
        Assert.Contains("scale has 4 parameters, but 2", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<ArgumentException>(() => scale.Launch(_stream, 1, 1, 0, memory, memory, 1f, 4));
        Assert.Contains("parameter 2 of scale has 16 bytes, but its argument has 4", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => KernelArgument.Of(default(Large)));
    }

    [Fact]
    public void A_mistake_in_the_source_throws_with_the_log()
    {
        var error = Assert.Throws<CudaCompilationException>(() => CudaKernel.Compile(_device, "__global__ void bad() { nonsense(); }", "bad"));
        Assert.Contains("nonsense", error.Message, StringComparison.Ordinal);
        Assert.Contains("bad.cu", error.Log, StringComparison.Ordinal);
        error = Assert.Throws<CudaCompilationException>(() => CudaKernel.Compile(_device, Source, "missing"));
        Assert.Contains("no kernel 'missing'", error.Message, StringComparison.Ordinal);
        using Device cpu = Device.Open("cpu");
        Assert.Contains("no CUDA device", Assert.Throws<BackendException>(() => CudaKernel.Compile(cpu, Source, "scale")).Message, StringComparison.Ordinal);
    }

    private static string PathOf(string relative, [CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, relative));

    private readonly record struct Scale(double By, int Shift);

    [InlineArray(100)]
    private struct Large
    {
        private byte _first;
    }
}

namespace AiOs.Runtime.Tests;

/// <summary>The example of docs/cuda-kernels.md, compiled; CudaKernelTests compares the two and runs it.</summary>
internal static class CudaKernelExample
{
    public static void Run(string backend)
    {
        const string Source = """
            extern "C" __global__ void saxpy(float *y, const float *x, float a, int n) {
              int i = blockIdx.x * blockDim.x + threadIdx.x;
              if (i < n)
                y[i] = a * x[i] + y[i];
            }
            """;
        using Device device = Device.Open(backend); // "cuda", or "cuda-sim" on a machine without a GPU
        using Stream stream = device.CreateStream();
        using CudaKernel saxpy = CudaKernel.Compile(device, Source, "saxpy");

        const int N = 1000;
        using DeviceMemory<float> x = device.Allocate<float>(N, stream), y = device.Allocate<float>(N, stream);
        x.CopyFrom([.. Enumerable.Range(0, N).Select(i => (float)i)], stream);
        y.CopyFrom([.. Enumerable.Repeat(1f, N)], stream);
        saxpy.Launch(stream, grid: (N + 255) / 256, block: 256, sharedBytes: 0, y, Access.Read(x), 2f, N);

        float[] result = new float[N];
        y.CopyTo(result, stream);
        Console.WriteLine($"y[{N - 1}] = {result[N - 1]}"); // y[999] = 1999
    }
}

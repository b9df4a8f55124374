using AiOs.Runtime;

namespace AiOs.Tensors;

/// <content>What work that the ops do not know accesses.</content>
public readonly partial struct Tensor
{
    /// <summary>
    /// The tensor as something that is only read, for <see cref="StreamScheduler"/> and <see cref="Stream.Declare"/>: all
    /// bytes from its first to its last element.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public Access ReadAccess() => Body.Access(isWrite: false);

    /// <summary>The same as something that is written, and perhaps read as well.</summary>
    /// <exception cref="ArgumentException">The tensor is memory of another library that must not be written.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public Access WriteAccess()
    {
        Require.Writable("Tensor.WriteAccess", Body);
        return Body.Access(isWrite: true);
    }

    /// <summary>The tensor as an argument of a <see cref="CudaKernel"/> that writes it, and perhaps reads it as well.</summary>
    /// <param name="tensor">The tensor.</param>
    public static implicit operator KernelArgument(Tensor tensor) => tensor.WriteAccess();
}

using AiOs.Interop;
using AiOs.Runtime;

namespace AiOs.Tensors;

/// <content>Tensors of other libraries of the process, without a copy.</content>
public readonly partial struct Tensor
{
    /// <summary>True when the data belongs to another library that forbids writing to it.</summary>
    public bool IsReadOnly => Body.IsReadOnly;

    /// <summary>
    /// Hands the data to another library in the form of DLPack 1 (<c>DLManagedTensorVersioned</c>), without a copy unless
    /// one is asked for. The data lives until the consumer calls the deleter, also when this tensor is disposed before;
    /// only the device must outlive it. What one side writes, the other sees.
    /// </summary>
    /// <param name="stream">
    /// The stream whose work writes the data. Waits for it, since a consumer of host memory knows no streams, unless
    /// <paramref name="consumer"/> is given.
    /// </param>
    /// <param name="readOnly">Forbids the consumer to write. Always so when <see cref="IsReadOnly"/>.</param>
    /// <param name="copy">Gives the consumer a dense copy of its own, which the flags say.</param>
    /// <param name="consumer">The stream that uses the data next, if it is one of this device: it waits instead of the host.</param>
    /// <returns>The tensor; give it away with <see cref="DLPackHandle.Detach"/>, or dispose it.</returns>
    /// <exception cref="BackendException">Earlier work of the stream failed.</exception>
    public DLPackHandle ToDLPack(Stream stream, bool readOnly = false, bool copy = false, Stream? consumer = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        TensorBody body = Body;
        aios_dlpack_flags flags = readOnly || (body.IsReadOnly && !copy) ? aios_dlpack_flags.ReadOnly : default;
        if (!copy)
        {
            HandOver(body, stream, consumer, flags);
            return DLPackExport.Make(body, flags);
        }

        TensorBody dense = TensorBody.Allocate(stream, body.DType, body.Shape);
        try
        {
            Launch.Copy(stream, dense, body);
            HandOver(dense, stream, consumer, flags);
            return DLPackExport.Make(dense, flags | aios_dlpack_flags.Copied);
        }
        finally
        {
            dense.Drop();
        }
    }

    /// <summary>
    /// Hands the data to a library that knows DLPack only as it was before version 1 (<c>DLManagedTensor</c>); otherwise as
    /// <see cref="ToDLPack"/>. That form has no flags: the consumer may write.
    /// </summary>
    /// <param name="stream">The stream whose work writes the data; waits for it unless <paramref name="consumer"/> is given.</param>
    /// <param name="consumer">The stream that uses the data next, if it is one of this device: it waits instead of the host.</param>
    /// <exception cref="ArgumentException">The tensor is read-only, which this form cannot say.</exception>
    /// <exception cref="BackendException">Earlier work of the stream failed.</exception>
    public DLPackHandle ToDLPackLegacy(Stream stream, Stream? consumer = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        TensorBody body = Body;
        Require.Writable("Tensor.ToDLPackLegacy", body);
        HandOver(body, stream, consumer, default);
        return DLPackExport.MakeLegacy(body);
    }

    /// <summary>
    /// A tensor over the data of another library, without a copy. The producer's deleter is called once, when the last
    /// tensor over the data is disposed and the work that uses it has run; it may be called on any thread.
    /// </summary>
    /// <param name="source">
    /// What the producer made. It is used up by this call, also when the tensor is refused. The producer has made sure that
    /// the data can be used: host memory is written, device memory is ordered before the work of <paramref name="stream"/>.
    /// </param>
    /// <param name="stream">The stream that uses the tensor; its device can reach the data.</param>
    /// <exception cref="ArgumentException">
    /// The version, the device, the element type, the shape or the strides are not ones that a tensor has.
    /// </exception>
    public static Tensor FromDLPack(DLPackHandle source, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(stream);
        stream.Device.Sweep();
        return new Tensor(DLPackImport.Adopt(source, stream));
    }

    private static void HandOver(TensorBody body, Stream stream, Stream? consumer, aios_dlpack_flags flags)
    {
        if (consumer is null)
        {
            stream.Synchronize();
            body.Device.Races?.HostAccess(body.Pointer, body.ReachBytes, isWrite: !flags.HasFlag(aios_dlpack_flags.ReadOnly));
            return;
        }

        using Event written = stream.Device.CreateEvent();
        stream.Record(written);
        consumer.WaitFor(written);
    }
}

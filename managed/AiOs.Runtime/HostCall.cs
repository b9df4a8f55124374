using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Unicode;
using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>A function of the host among the work of a stream.</summary>
internal sealed unsafe class HostCall(Stream stream, Action action, Operation? place = null)
{
    /// <summary>Bytes of the text that a callback may leave, with its zero.</summary>
    private const int MessageBytes = 512;

    [ThreadStatic]
    private static HostCall? t_running;

    private readonly string? _site = stream.Device.CapturesCallSites ? CallSites.Here() : null;

    /// <summary>The call that the calling thread runs; null when it runs none.</summary>
    public static HostCall? Running => t_running;

    /// <summary>The stream in whose order it runs.</summary>
    public Stream Stream => stream;

    /// <summary>Its place in that order, where it was enqueued; null when it was captured, or nobody asks for it.</summary>
    public Operation? Place => place;

    /// <summary>Enqueues one call.</summary>
    public static aios_status Enqueue(Stream stream, Action action)
    {
        var handle = GCHandle.Alloc(new HostCall(stream, action, stream.Device.Races?.Note("host", stream.Clock)));
        aios_status status = stream.Device.Driver.Call(stream.Handle, &RunOnce, GCHandle.ToIntPtr(handle));
        if (status != aios_status.Ok)
        {
            handle.Free();
        }

        return status;
    }

    /// <summary>Captures a call, which every launch makes until the graph frees the handle.</summary>
    public static aios_status Capture(Stream stream, GCHandle call) =>
        stream.Device.Driver.Call(stream.Handle, &Run, GCHandle.ToIntPtr(call));

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static aios_status RunOnce(void* user, aios_status status, byte* message)
    {
        GCHandle handle = GCHandle.FromIntPtr((nint)user);
        var call = (HostCall)handle.Target!;
        handle.Free();
        return call.Invoke(status, message);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static aios_status Run(void* user, aios_status status, byte* message) =>
        ((HostCall)GCHandle.FromIntPtr((nint)user).Target!).Invoke(status, message);

    /// <summary>Skips the action when the stream has failed, as other work is; its exception becomes the stream's error.</summary>
    private aios_status Invoke(aios_status status, byte* message)
    {
        if (status != aios_status.Ok)
        {
            return aios_status.Ok;
        }

        try
        {
            t_running = this;
            action();
            return aios_status.Ok;
        }
#pragma warning disable CA1031 // An exception must not leave into native code; it goes to whoever waits for the stream.
        catch (Exception error)
#pragma warning restore CA1031
        {
            string text = $"callback: {error.GetType().Name}: {error.Message}".ReplaceLineEndings(" ");
            if (_site is not null)
            {
                text = $"{text.AsSpan(0, Math.Min(text.Length, MessageBytes / 2))}, enqueued at {_site}";
            }

            // What there is no room for is cut.
            _ = Utf8.FromUtf16(text, new Span<byte>(message, MessageBytes - 1), out _, out int written);
            message[written] = 0;
            return aios_status.ExecutionFailed;
        }
        finally
        {
            t_running = null;
        }
    }
}

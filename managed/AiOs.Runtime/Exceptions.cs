using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>
/// Base of every error that a user of AiOs.Native is meant to read: its message is one line that says what was wrong
/// (with the file or the value) and what to do about it.
/// </summary>
public class AiOsException : Exception
{
    /// <summary>Makes the error.</summary>
    /// <param name="message">One line: what was wrong and what to do.</param>
    public AiOsException(string message)
        : base(message)
    {
    }

    /// <summary>Makes the error around its cause.</summary>
    /// <param name="message">One line: what was wrong and what to do.</param>
    /// <param name="innerException">The cause.</param>
    public AiOsException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}

/// <summary>A native call failed, or a backend cannot be used.</summary>
public class BackendException : AiOsException
{
    /// <summary>Makes the error of a native call.</summary>
    /// <param name="status">What the call returned.</param>
    /// <param name="call">Name of the call, such as <c>aios_gemm</c>.</param>
    /// <param name="message">One line: what was wrong and what to do.</param>
    public BackendException(aios_status status, string call, string message)
        : base(message)
    {
        Status = status;
        Call = call;
    }

    /// <summary>What the call returned.</summary>
    public aios_status Status { get; }

    /// <summary>Name of the call that failed.</summary>
    public string Call { get; }
}

/// <summary>The device is gone, by no fault of the program: it takes no more work from this process.</summary>
public sealed class DeviceLostException : BackendException
{
    /// <summary>Makes the error of a native call.</summary>
    /// <param name="status">What the call returned.</param>
    /// <param name="call">Name of the call, such as <c>stream_synchronize</c>.</param>
    /// <param name="message">One line: what was wrong and what to do.</param>
    public DeviceLostException(aios_status status, string call, string message)
        : base(status, call, message)
    {
    }
}

/// <summary>The device has no memory left, even after everything cached was given back.</summary>
public sealed class DeviceOutOfMemoryException : AiOsException
{
    /// <summary>Makes the error.</summary>
    /// <param name="requestedBytes">Size of the block that could not be had.</param>
    /// <param name="message">One line: what was asked for, what is in use and by whom, what to do.</param>
    public DeviceOutOfMemoryException(long requestedBytes, string message)
        : base(message) => RequestedBytes = requestedBytes;

    /// <summary>Size, in bytes, of the block that could not be had.</summary>
    public long RequestedBytes { get; }
}

/// <summary>Something was written outside the block it was meant for (<see cref="MemoryChecks.RedZoneBytes"/>).</summary>
public sealed class MemoryCorruptionException : AiOsException
{
    /// <summary>Makes the error.</summary>
    /// <param name="address">Where the block starts.</param>
    /// <param name="bytes">Its size.</param>
    /// <param name="message">What was written where, and where the block was allocated.</param>
    public MemoryCorruptionException(nint address, long bytes, string message)
        : base(message) => (Address, Bytes) = (address, bytes);

    /// <summary>Where the block starts on the device.</summary>
    public nint Address { get; }

    /// <summary>Its size in bytes.</summary>
    public long Bytes { get; }
}

/// <summary>A file does not hold what it should.</summary>
public sealed class InvalidFileException : AiOsException
{
    /// <summary>Makes the error; its message is "path: problem; fix".</summary>
    /// <param name="path">The file.</param>
    /// <param name="problem">What is wrong with it.</param>
    /// <param name="fix">What to do about it.</param>
    public InvalidFileException(string path, string problem, string fix)
        : base($"{path}: {problem}; {fix}") => Path = path;

    /// <summary>The file.</summary>
    public string Path { get; }
}

using System.Runtime.InteropServices;
using AiOs.Interop;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>What made a stream fail.</summary>
/// <param name="Status">Its kind.</param>
/// <param name="Text">What happened and where.</param>
internal sealed record CudaStreamError(aios_status Status, string Text);

/// <summary>What the runtime knows of a stream beside its handle: its number, and an error that is the host's or the data's.</summary>
/// <remarks>
/// The driver knows only errors of a whole context. An exception in a callback, or data that a kernel refused, spoil no
/// more than their stream: the runtime keeps them, and gives them to whoever waits.
/// </remarks>
internal sealed class CudaStream(CUstream handle)
{
    private const int SitesKept = 16;

    private static long s_last;

    private readonly Queue<nint> _sites = new();
    private CudaStreamError? _error;

    public CUstream Handle { get; } = handle;

    /// <summary>A number that no other stream of the process has or had.</summary>
    public long Number { get; } = Interlocked.Increment(ref s_last);

    /// <summary>Where kernels of the stream tell what they find wrong.</summary>
    public nint Record { get; set; }

    /// <summary>Whether graphs may use its record.</summary>
    public bool WasCaptured { get; set; }

    /// <summary>The records of the graphs that were launched on the stream.</summary>
    public nint[] Launched { get; private set; } = [];

    /// <summary>Its error; null as long as there is none.</summary>
    public CudaStreamError? Error => Volatile.Read(ref _error);

    /// <summary>Makes it fail unless it has failed.</summary>
    public void Fail(aios_status status, string text) =>
        Interlocked.CompareExchange(ref _error, new CudaStreamError(status, text), null);

    /// <summary>A graph whose kernels tell what they find in other records is launched on the stream.</summary>
    public void Launch(IReadOnlyList<nint> records)
    {
        foreach (nint record in records)
        {
            if (record != Record && !Launched.Contains(record))
            {
                Launched = [.. Launched, record];
            }
        }
    }

    /// <summary>Notes where work was enqueued: a text that lives for ever.</summary>
    public void Note(nint site)
    {
        lock (_sites)
        {
            if (_sites.Count == SitesKept)
            {
                _ = _sites.Dequeue();
            }

            if (!_sites.Contains(site))
            {
                _sites.Enqueue(site);
            }
        }
    }

    /// <summary>What was enqueued has run: an error that is found later was enqueued later.</summary>
    public void ForgetSites()
    {
        lock (_sites)
        {
            _sites.Clear();
        }
    }

    /// <summary>A text with the places that the work which it is about was enqueued at, when they were noted.</summary>
    public string Located(string text)
    {
        lock (_sites)
        {
            return _sites.Count == 0
                ? text
                : $"{text}; enqueued at {string.Join(" or ", _sites.Select(site => Marshal.PtrToStringUTF8(site)))}";
        }
    }
}

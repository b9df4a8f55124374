using System.Diagnostics;

namespace AiOs.Bench.Peers;

/// <summary>A case as another library computes it.</summary>
/// <param name="name">The library, with the way it was used, such as <c>onednn_packed</c>.</param>
/// <param name="threads">
/// The processors of the calling thread where the library has threads that are bound to one processor each: it takes the first.
/// </param>
internal abstract class PeerRun(string name, ThreadMask? threads = null) : IDisposable
{
    /// <summary>The name in the results.</summary>
    public string Name { get; } = name;

    /// <summary>Computes it once and waits for it; cold operands rotate with <paramref name="index"/>.</summary>
    public abstract void Launch(int index);

    /// <summary>Seconds that a number of launches take; the caller is where the library's threads are not.</summary>
    public virtual double Time(int first, int launches)
    {
        threads?.UseFirst();
        try
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < launches; i++)
            {
                Launch(first + i);
            }

            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        finally
        {
            threads?.UseAll();
        }
    }

    /// <summary>Frees what the run made.</summary>
    public abstract void Dispose();
}

/// <summary>A case as a function computes it that needs nothing to be freed.</summary>
internal sealed class SimplePeer(string name, Action<int> launch, ThreadMask? threads = null) : PeerRun(name, threads)
{
    public override void Launch(int index) => launch(index);

    public override void Dispose()
    {
    }
}

namespace AiOs.Bench.Peers;

/// <summary>A case as another library computes it.</summary>
/// <param name="name">The library, with the way it was used, such as <c>onednn_packed</c>.</param>
internal abstract class PeerRun(string name) : IDisposable
{
    /// <summary>The name in the results.</summary>
    public string Name { get; } = name;

    /// <summary>Computes it once and waits for it; cold operands rotate with <paramref name="index"/>.</summary>
    public abstract void Launch(int index);

    /// <summary>Frees what the run made.</summary>
    public abstract void Dispose();
}

/// <summary>A case as a function computes it that needs nothing to be freed.</summary>
internal sealed class SimplePeer(string name, Action<int> launch) : PeerRun(name)
{
    public override void Launch(int index) => launch(index);

    public override void Dispose()
    {
    }
}

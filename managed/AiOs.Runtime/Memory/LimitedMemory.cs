namespace AiOs.Runtime;

/// <summary>A backend that gives out no more than a limit.</summary>
/// <param name="inner">Where the memory comes from.</param>
/// <param name="limit">Greatest number of mapped bytes.</param>
internal sealed class LimitedMemory(IMemoryBackend inner, long limit) : IMemoryBackend
{
    private long _mapped;

    public nint Base => inner.Base;

    public long Capacity => inner.Capacity;

    public long Granularity => inner.Granularity;

    public bool TryMap(long offset, long bytes)
    {
        if (bytes > limit - _mapped || !inner.TryMap(offset, bytes))
        {
            return false;
        }

        _mapped += bytes;
        return true;
    }

    public void Unmap(long offset, long bytes)
    {
        inner.Unmap(offset, bytes);
        _mapped -= bytes;
    }

    public void Release() => inner.Release();
}

namespace AiOs.Runtime;

/// <summary>A backend whose pages are recorded as they come and go.</summary>
internal sealed class RecordedMemory(IMemoryBackend inner, MemoryHistory history) : IMemoryBackend
{
    public nint Base => inner.Base;

    public long Capacity => inner.Capacity;

    public long Granularity => inner.Granularity;

    public bool TryMap(long offset, long bytes)
    {
        bool mapped = inner.TryMap(offset, bytes);
        if (mapped)
        {
            history.Add(MemoryAction.Map, Base + (nint)offset, bytes, 0, 0, null);
        }

        return mapped;
    }

    public void Unmap(long offset, long bytes)
    {
        history.Add(MemoryAction.Unmap, Base + (nint)offset, bytes, 0, 0, null);
        inner.Unmap(offset, bytes);
    }

    public void Release() => inner.Release();
}

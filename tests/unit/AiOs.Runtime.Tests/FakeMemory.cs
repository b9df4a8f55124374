namespace AiOs.Runtime.Tests;

/// <summary>A device of made-up addresses with a limit, whose streams drain when the test says so.</summary>
internal sealed class FakeMemory(long limit = long.MaxValue) : IMemorySource
{
    private readonly Dictionary<nint, long> _reserved = [];
    private nint _next = 1 << 21;

    public HashSet<int> Busy { get; } = [];

    public long ReservedBytes => _reserved.Values.Sum();

    public bool TryReserve(long bytes, out nint address)
    {
        address = 0;
        if (ReservedBytes + bytes > limit)
        {
            return false;
        }

        address = _next;
        _next += (nint)(bytes + (1 << 21));
        _reserved.Add(address, bytes);
        return true;
    }

    public void Release(nint address, long bytes)
    {
        Assert.True(_reserved.Remove(address, out long reserved), "released memory was reserved");
        Assert.Equal(reserved, bytes);
    }

    public bool IsDrained(int pool) => !Busy.Contains(pool);

    public bool Contains(nint address, long bytes) =>
        _reserved.Any(segment => address >= segment.Key && address + (nint)bytes <= segment.Key + (nint)segment.Value);
}

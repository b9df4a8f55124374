namespace AiOs.Runtime;

/// <summary>
/// Tells the garbage collector about native memory, so that it runs often enough to find what was not disposed.
/// </summary>
internal static class MemoryPressure
{
    private static long _bytes;

    /// <summary>Bytes of native memory that count as pressure now, over all devices.</summary>
    public static long Bytes => Interlocked.Read(ref _bytes);

    public static void Add(long bytes)
    {
        if (bytes > 0)
        {
            Interlocked.Add(ref _bytes, bytes);
            GC.AddMemoryPressure(bytes);
        }
    }

    public static void Remove(long bytes)
    {
        if (bytes > 0)
        {
            Interlocked.Add(ref _bytes, -bytes);
            GC.RemoveMemoryPressure(bytes);
        }
    }
}

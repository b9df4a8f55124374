namespace AiOs.Runtime;

/// <summary>Argument checks that several types share.</summary>
internal static class Guard
{
    /// <summary>Throws unless a copy of <paramref name="length"/> elements fits into <paramref name="room"/>.</summary>
    public static void Fits(long length, long room)
    {
        if (length > room)
        {
            throw new ArgumentException($"a copy of {length} elements does not fit a block of {room}");
        }
    }
}

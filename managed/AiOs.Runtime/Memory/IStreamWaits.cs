namespace AiOs.Runtime;

/// <summary>What an allocator may make streams and the host wait for.</summary>
internal interface IStreamWaits
{
    /// <summary>Makes what <paramref name="stream"/> is given from now on come after all that <paramref name="other"/> has been given.</summary>
    void Wait(int stream, int other);

    /// <summary>Makes the host wait for the work of all streams.</summary>
    void Synchronize();
}

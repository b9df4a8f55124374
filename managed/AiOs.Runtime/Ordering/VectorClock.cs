namespace AiOs.Runtime;

/// <summary>For each stream of a device, the last epoch whose work is known to come first. Missing components are 0.</summary>
internal sealed class VectorClock
{
    [ThreadStatic]
    private static VectorClock? t_scratch;

    private long[] _epochs = [];

    /// <summary>A clock of the calling thread for what it looks at next.</summary>
    public static VectorClock Scratch
    {
        get
        {
            VectorClock clock = t_scratch ??= new VectorClock();
            clock.Clear();
            return clock;
        }
    }

    /// <summary>The epoch of a stream; 0 when nothing of it is known to come first.</summary>
    public long this[int stream] => stream < _epochs.Length ? _epochs[stream] : 0;

    /// <summary>Raises one component; epochs never fall.</summary>
    public void Raise(int stream, long epoch)
    {
        Grow(stream + 1);
        _epochs[stream] = Math.Max(_epochs[stream], epoch);
    }

    /// <summary>Takes the greater of each component: what comes before either comes before both.</summary>
    public void Join(VectorClock other)
    {
        Grow(other._epochs.Length);
        for (int stream = 0; stream < other._epochs.Length; stream++)
        {
            _epochs[stream] = Math.Max(_epochs[stream], other._epochs[stream]);
        }
    }

    /// <summary>Forgets everything.</summary>
    public void Clear() => Array.Clear(_epochs);

    private void Grow(int streams)
    {
        if (streams > _epochs.Length)
        {
            Array.Resize(ref _epochs, streams); // Exactly: two clocks that join each other by turns must not outgrow the other.
        }
    }
}

using System.Numerics;
using System.Runtime.InteropServices;

namespace AiOs.Bench.Peers;

/// <summary>The processors that the calling thread may use: what they were, and the first of them alone for a while.</summary>
internal sealed unsafe class ThreadMask
{
    private const int Words = 16;

    private readonly EnvironmentTable _system;
    private readonly ulong[] _all = new ulong[Words];
    private readonly ulong[] _first = new ulong[Words];

    private ThreadMask(EnvironmentTable system) => _system = system;

    /// <summary>Processors in the mask.</summary>
    public int Count => _all.Sum(BitOperations.PopCount);

    /// <summary>The mask as it is; null where the system does not say.</summary>
    public static ThreadMask? Read(EnvironmentTable system)
    {
        ThreadMask mask = new(system);
        fixed (ulong* all = mask._all)
        {
            if (system.sched_getaffinity(0, new CULong(Words * sizeof(ulong)), all) < 0 || mask.Count == 0)
            {
                return null;
            }
        }

        int word = Array.FindIndex(mask._all, bits => bits != 0);
        mask._first[word] = mask._all[word] & (~mask._all[word] + 1);
        return mask;
    }

    /// <summary>Keeps the calling thread on the first processor.</summary>
    public void UseFirst() => Set(_first);

    /// <summary>Gives the calling thread all of them back.</summary>
    public void UseAll() => Set(_all);

    private void Set(ulong[] words)
    {
        fixed (ulong* mask = words)
        {
            _ = _system.sched_setaffinity(0, new CULong(Words * sizeof(ulong)), mask);
        }
    }
}

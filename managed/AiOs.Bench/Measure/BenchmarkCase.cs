using AiOs.Bench.Peers;
using AiOs.Bench.Results;
using AiOs.Interop;
using AiOs.Runtime;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Bench.Measure;

/// <summary>One op at one shape: how it is set up, run, checked and counted.</summary>
internal abstract class BenchmarkCase(BenchContext context, string op, string dtype, string shape) : IDisposable
{
    private readonly Stack<IDisposable> _owned = new();

    /// <summary>The op's name in the results.</summary>
    public string Op { get; } = op;

    /// <summary>Element type in the results.</summary>
    public string DType { get; } = dtype;

    /// <summary>The shape in the results.</summary>
    public string Shape { get; } = shape;

    /// <summary>What a launch has to do at least.</summary>
    public abstract Work Work { get; }

    /// <summary>What the op writes; the runner can destroy it to see that the check notices.</summary>
    public abstract IReadOnlyList<Operand> Outputs { get; }

    /// <summary>Makes the operands what they are to be before launch 0, which is checked: without results of an earlier one.</summary>
    public virtual void Reset()
    {
        foreach (Operand output in Outputs)
        {
            output.Clear();
        }
    }

    /// <summary>Whether launches stand for work on operands, so that where those lie is worth saying.</summary>
    public virtual bool HasLevel => Work.Bytes > 0;

    protected BenchContext Context { get; } = context;

    protected Stream Stream => Context.Stream;

    protected Device Device => Context.Device;

    protected KernelTable Kernels => Device.Kernels;

    /// <summary>Allocates and fills operands. Throws when the backend lacks the op.</summary>
    public abstract void Prepare();

    /// <summary>Enqueues launch number <paramref name="index"/>; cold operands rotate with it.</summary>
    public abstract void Launch(int index);

    /// <summary>Compares what launch 0 wrote with the reference.</summary>
    public abstract void Check(Verdict verdict);

    /// <summary>Seconds that a number of launches take.</summary>
    public virtual double Time(int first, int launches) => Context.Timer.Time(Launch, first, launches);

    /// <summary>Adds to the result what is no time.</summary>
    public virtual BenchResult Complete(BenchResult result) => result;

    /// <summary>The same work by other libraries, on the same operands; the case owns them.</summary>
    public virtual IReadOnlyList<PeerRun> MakePeers() => [];

    public void Dispose()
    {
        Stream.Synchronize();
        while (_owned.TryPop(out IDisposable? owned))
        {
            owned.Dispose();
        }
    }

    /// <summary>Copies that cold operands of this size need.</summary>
    protected int ColdCopies(long bytes) => (int)Math.Clamp(Context.Settings.ColdBytes / Math.Max(1, bytes), 2, 4096);

    protected T Own<T>(T owned)
        where T : IDisposable
    {
        _owned.Push(owned);
        return owned;
    }

    /// <summary>A workspace of as many bytes as a query said; a negative size is the op's refusal.</summary>
    protected Operand Workspace(long bytes, string call)
    {
        if (bytes < 0)
        {
            Stream.Check((aios_status)(-bytes), call);
        }

        return Own(new Operand(Stream, aios_dtype.U8, Math.Max(64, bytes)));
    }
}

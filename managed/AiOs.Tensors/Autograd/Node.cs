namespace AiOs.Tensors;

/// <summary>
/// One recorded op: how its gradient is computed and what that needs. Inputs are linked (only those that want a
/// gradient are there); saved tensors are held. The meaning of the numbers is the op's own.
/// </summary>
internal unsafe struct Node
{
    public delegate*<Tape, ref Node, void> Backward;
    public TensorBody Output;
    public TensorBody? InputA;
    public TensorBody? InputB;
    public TensorBody? InputC;
    public TensorBody? InputD;
    public TensorBody? SavedA;
    public TensorBody? SavedB;
    public TensorBody? SavedC;
    public TensorBody? SavedD;
    public TensorBody? SavedE;
    public long LongA;
    public long LongB;
    public ulong Seed;
    public ulong Offset;
    public float FloatA;
    public int IntA;
    public int IntB;

    /// <summary>True when an earlier node has the same output and so still needs its gradient.</summary>
    public bool SharesOutput;

    /// <summary>The gradient of the output: contiguous, and there whenever Backward is called.</summary>
    public readonly TensorBody OutputGrad => Output.Grad!;
}

using System.Runtime.CompilerServices;
using AiOs.Interop;

namespace AiOs.Conformance.Harness;

/// <summary>Calls the launcher of a case; the operands know their addresses by then.</summary>
public delegate aios_status Launcher(KernelTable kernels, aios_stream stream);

/// <summary>
/// One call of one op: buffers, launch and oracle. The same case serves the correctness tests, the support matrix and
/// the benchmarks. Data depend on the case's text only.
/// </summary>
public sealed class Case(string op, aios_dtype type, string detail)
{
    private int _operands;

    /// <summary>Name of the C function.</summary>
    public string Op { get; } = op;

    /// <summary>Element type that the support matrix files the case under.</summary>
    public aios_dtype Type { get; } = type;

    /// <summary>Everything needed to reproduce the case by hand: shapes, strides, flags, data.</summary>
    public string Detail { get; private set; } = detail;

    public DataSource Data { get; } = new(op, type, detail);

    public List<Operand> Operands { get; } = [];

    public required Launcher Launch { get; set; }

    /// <summary>Computes what the outputs must hold, by <see cref="Operand.Expect"/>. Null when nothing is written.</summary>
    public Action? Oracle { get; set; }

    /// <summary>Size query of the workspace, where the op has one.</summary>
    public Func<KernelTable, long>? WorkspaceSize { get; private set; }

    public Operand? Workspace { get; private set; }

    /// <summary>Bytes that the workspace is smaller than what the op asked for.</summary>
    public int WorkspaceShortfall { get; set; }

    /// <summary>What the launcher must return.</summary>
    public aios_status ExpectedStatus { get; set; } = aios_status.Ok;

    /// <summary>What the stream's sticky error must contain after the launch; null when the launch must succeed.</summary>
    public string? ExpectedExecutionError { get; set; }

    public Operand Input(string name, aios_dtype type, double[] values) =>
        Add(new Operand(name, type, Role.Input, values.Length)
        {
            Initial = Rounded(type, values),
            Misalignment = NextMisalignment(),
        });

    /// <summary>An output; with <paramref name="initial"/> null it is poisoned before the launch.</summary>
    public Operand Output(string name, aios_dtype type, long length, double[]? initial = null) =>
        Add(new Operand(name, type, Role.Output, checked((int)length))
        {
            Initial = initial is null ? null : Rounded(type, initial),
            Misalignment = NextMisalignment(),
        });

    /// <summary>A buffer of structures that hold addresses of other operands.</summary>
    public Operand Table<T>(int count, Func<T[]> content)
        where T : unmanaged =>
        Add(new Operand("tensors", aios_dtype.I32, Role.Input, count * Unsafe.SizeOf<T>())
        {
            ElementSize = 1,
            Table = () => System.Runtime.InteropServices.MemoryMarshal.AsBytes<T>(content()).ToArray(),
        });

    /// <summary>Declares the workspace; the harness asks for its size and gives exactly that many bytes.</summary>
    public Operand Scratch(Func<KernelTable, long> size)
    {
        WorkspaceSize = size;
        Workspace = Add(new Operand("workspace", aios_dtype.I32, Role.Scratch, 0) { ElementSize = 1 });
        return Workspace;
    }

    /// <summary>Makes of a good case one that calls the launcher otherwise and expects <paramref name="status"/>.</summary>
    public Case Rejecting(string why, aios_status status, Func<List<Operand>, KernelTable, aios_stream, aios_status> launch)
    {
        Detail = $"{why} (otherwise {Detail})";
        ExpectedStatus = status;
        Launch = (kernels, stream) => launch(Operands, kernels, stream);
        return this;
    }

    public override string ToString() => $"{Op} {Type} {Detail}";

    private static double[] Rounded(aios_dtype type, double[] values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Storage.Round(type, values[i]);
        }

        return values;
    }

    private Operand Add(Operand operand)
    {
        Operands.Add(operand);
        return operand;
    }

    // The contract promises the alignment of an element and no more, so half of the cases get just that.
    private int NextMisalignment() => (Data.Seed & 1) == 0 ? 0 : 1 + ((int)(Data.Seed >> 8) + (3 * _operands++) & 15);
}

/// <summary>Cases of one op that are run and reported together.</summary>
public sealed record CaseGroup(string Op, string Name, Func<IEnumerable<Case>> Cases);

/// <summary>The cases of one op family.</summary>
public abstract class CaseList
{
    /// <summary>The element types of a buffer that has no type of its own.</summary>
    protected static readonly aios_dtype[] Types = [aios_dtype.F32, aios_dtype.Bf16];

    /// <summary>Names of the C functions the list covers.</summary>
    public abstract IReadOnlyList<string> Ops { get; }

    public abstract IEnumerable<CaseGroup> Groups { get; }

    /// <summary>A case of moderate size that stands for the op: used by the support matrix and benchmarks.</summary>
    public abstract Case Sample(string op, aios_dtype type);

    /// <summary>A good case launched with arguments that are not allowed.</summary>
    protected static Case Rejects(Case good, string why, Func<List<Operand>, KernelTable, aios_stream, aios_status> launch) =>
        good.Rejecting(why, aios_status.InvalidArgument, launch);

    /// <summary>A good case whose workspace is one byte short; it says nothing where the op needs no workspace.</summary>
    protected static Case ShortWorkspace(Case good)
    {
        Launcher launch = good.Launch;
        good.WorkspaceShortfall = 1;
        return good.Rejecting("workspace one byte short", aios_status.InvalidArgument, (_, kernels, stream) => launch(kernels, stream));
    }

    /// <summary>All case lists of the suite, found by reflection: adding an op's file is all there is to do.</summary>
    public static IReadOnlyList<CaseList> All { get; } =
        [.. typeof(CaseList).Assembly.GetTypes()
            .Where(type => type.IsSubclassOf(typeof(CaseList)) && !type.IsAbstract)
            .OrderBy(type => type.Name, StringComparer.Ordinal)
            .Select(type => (CaseList)Activator.CreateInstance(type)!)];
}

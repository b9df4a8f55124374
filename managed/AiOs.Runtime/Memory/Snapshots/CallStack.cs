using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace AiOs.Runtime;

/// <summary>One call of a <see cref="CallStack"/>.</summary>
/// <param name="Type">Full name of the type.</param>
/// <param name="Method">Name of the method.</param>
/// <param name="Assembly">Name of the assembly.</param>
/// <param name="File">Source file; empty when there are no debug symbols.</param>
/// <param name="Line">Line in it, from 1; 0 when it is not known.</param>
public readonly record struct CallFrame(string Type, string Method, string Assembly, string File, int Line)
{
    /// <summary>Type without its namespace, and method: Tensor.Zeros, new Tensor. A lambda has the name of the method it stands in.</summary>
    public string ShortName
    {
        get
        {
            string owner = Type.Split(".<")[0]; // Without the types that the compiler makes for lambdas and iterators.
            string name = Method is "MoveNext" && owner.Length < Type.Length ? Type[owner.Length..] : Method;
            int from = name.IndexOf('<', StringComparison.Ordinal) + 1, to = name.IndexOf('>', StringComparison.Ordinal);
            string type = owner[(owner.LastIndexOf('.') + 1)..].Split('`')[0];
            return name == ".ctor" ? "new " + type : type + "." + (to > from ? name[from..to] : name);
        }
    }

    /// <summary>File without its directory, and line: Program.cs:12; empty when it is not known.</summary>
    public string Place => File.Length == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileName(File)}:{Line}");
}

/// <summary>Where something was called from. Equal stacks are one object.</summary>
public sealed class CallStack
{
    private const int MaximumDepth = 64;

    /// <summary>Assemblies that allocate on behalf of somebody else.</summary>
    private static readonly string[] Plumbing = ["AiOs.Runtime", "AiOs.Tensors"];

    private static readonly ConcurrentDictionary<string, CallStack> Known = new();

    /// <summary>Makes a stack of made-up frames.</summary>
    internal CallStack(params ImmutableArray<CallFrame> frames)
    {
        Frames = frames;
        Site = Describe(frames);
    }

    /// <summary>The calls, the innermost first.</summary>
    public ImmutableArray<CallFrame> Frames { get; }

    /// <summary>
    /// The call site in a few words: the op, if there is one, and the first call from outside of the runtime:
    /// "Ops.Linear in Mlp.Forward (Mlp.cs:20)".
    /// </summary>
    public string Site { get; }

    /// <summary>All calls, one on a line, as the text of an exception has them.</summary>
    internal string Calls => string.Concat(Frames.Select(frame =>
    {
        string place = frame.File.Length == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" in {frame.File}:line {frame.Line}");
        return $"   at {frame.Type}.{frame.Method}{place}{Environment.NewLine}";
    }));

    /// <inheritdoc/>
    public override string ToString() => Site;

    /// <summary>The stack of the caller.</summary>
    /// <param name="skip">Frames of the caller's own to leave out.</param>
    internal static CallStack Capture(int skip)
    {
        var trace = new StackTrace(skip + 1, false);
        var key = new StringBuilder();
        for (int i = 0; i < Math.Min(trace.FrameCount, MaximumDepth); i++)
        {
            StackFrame frame = trace.GetFrame(i)!;
            DiagnosticMethodInfo? method = DiagnosticMethodInfo.Create(frame);
            key.Append(method?.DeclaringTypeName).Append('.').Append(method?.Name)
                .Append(CultureInfo.InvariantCulture, $"+{frame.GetILOffset()},{frame.GetNativeOffset()};");
        }

        // Files and lines are looked up once for a stack: that takes a hundred times as long as the rest.
        return Known.TryGetValue(key.ToString(), out CallStack? known) ? known : Known.GetOrAdd(key.ToString(), Resolve(new StackTrace(skip + 1, true)));
    }

    private static CallStack Resolve(StackTrace trace)
    {
        ImmutableArray<CallFrame>.Builder frames = ImmutableArray.CreateBuilder<CallFrame>();
        for (int i = 0; i < Math.Min(trace.FrameCount, MaximumDepth); i++)
        {
            StackFrame frame = trace.GetFrame(i)!;
            if (DiagnosticMethodInfo.Create(frame) is { } method)
            {
                string assembly = method.DeclaringAssemblyName.Split(',')[0];
                frames.Add(new CallFrame(
                    (method.DeclaringTypeName ?? "").Replace('+', '.'), method.Name, assembly, frame.GetFileName() ?? "", frame.GetFileLineNumber()));
            }
        }

        return new CallStack(frames.ToImmutable());
    }

    private static string Describe(ImmutableArray<CallFrame> frames)
    {
        CallFrame op = frames.LastOrDefault(frame => frame.Type == "AiOs.Tensors.Ops");
        CallFrame outside = frames.FirstOrDefault(frame => frame.Type is not null && !Plumbing.Contains(frame.Assembly));
        string place = outside.Type is null ? "" : outside.Place.Length == 0 ? outside.ShortName : $"{outside.ShortName} ({outside.Place})";
        return (op.Type, place.Length) switch
        {
            (null, 0) => frames.Length == 0 ? "unknown" : frames[^1].ShortName,
            (null, _) => place,
            (_, 0) => op.ShortName,
            _ => $"{op.ShortName} in {place}",
        };
    }
}

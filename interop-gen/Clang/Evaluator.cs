using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace AiOs.InteropGen.Clang;

/// <summary>An expression over the names of a header.</summary>
/// <param name="Text">C source.</param>
/// <param name="Location">What it is about, for errors.</param>
public readonly record struct Expression(string Text, SourceLocation Location);

/// <summary>Type and, for a string literal, text of an expression.</summary>
/// <param name="Type">Its type, or null when the text is no expression at all.</param>
/// <param name="Literal">The literal with its quotes as C spells it, or null when it is none.</param>
public readonly record struct ExpressionType(NativeType? Type, string? Literal);

/// <summary>
/// Lets clang evaluate constant expressions: each becomes the value of an enum constant, or the initialiser of a
/// variable, of a small source that includes the header, and the answer is read from the syntax tree.
/// </summary>
/// <param name="compiler">The compiler.</param>
/// <param name="options">The header.</param>
public sealed partial class Evaluator(ClangCompiler compiler, HeaderOptions options)
{
    private const string Prefix = "aios_interop_gen_";

    /// <summary>Values of integer expressions, as 64 bits.</summary>
    /// <param name="expressions">The expressions; casts from pointers are allowed.</param>
    /// <exception cref="GenerationException">One of them is no integer constant.</exception>
    public long[] Integers(IReadOnlyList<Expression> expressions) =>
        Constants(expressions, "c", text => $"(long long)({text})");

    /// <summary>Values of floating-point expressions.</summary>
    /// <param name="expressions">The expressions.</param>
    /// <exception cref="GenerationException">One of them is no constant.</exception>
    public double[] Doubles(IReadOnlyList<Expression> expressions) =>
        [.. Constants(expressions, "c++", text => $"__builtin_bit_cast(long long, (double)({text}))").Select(BitConverter.Int64BitsToDouble)];

    /// <summary>Types of expressions.</summary>
    /// <param name="expressions">The expressions.</param>
    public ExpressionType[] Types(IReadOnlyList<Expression> expressions)
    {
        (ClangResult _, Dictionary<int, AstNode> found) = Parse(
            expressions, "VarDecl", "c", (i, text) => $"__auto_type {Prefix}{i} = ({text});");
        var types = new ExpressionType[expressions.Count];
        foreach ((int i, AstNode node) in found.Where(pair => !pair.Value.Flag("isInvalid")))
        {
            types[i] = new ExpressionType(
                TypeParser.Parse(node.Type),
                node.Descend().FirstOrDefault(n => n.Kind == "StringLiteral")?.Text("value"));
        }

        return types;
    }

    private long[] Constants(IReadOnlyList<Expression> expressions, string language, Func<string, string> cast)
    {
        (ClangResult result, Dictionary<int, AstNode> found) = Parse(
            expressions, "EnumConstantDecl", language,
            (i, text) => $"enum {(language == "c" ? "" : ": long long ")}{{ {Prefix}{i} = {cast(text)} }};");
        if (result.ExitCode != 0)
        {
            Match match = ProbeError().Match(result.Diagnostics);
            throw match.Success
                ? new GenerationException(
                    expressions[int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) - 1].Location,
                    $"'{expressions[int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) - 1].Text}' cannot be evaluated: {match.Groups[2].Value}")
                : new GenerationException(result.FirstError);
        }

        return [.. Enumerable.Range(0, expressions.Count).Select(i => long.Parse(
            found[i].Descend().First(node => node.Kind == "ConstantExpr" && node.Text("value").Length > 0).Text("value"),
            CultureInfo.InvariantCulture))];
    }

    private (ClangResult Result, Dictionary<int, AstNode> Found) Parse(
        IReadOnlyList<Expression> expressions, string kind, string language, Func<int, string, string> line)
    {
        var found = new Dictionary<int, AstNode>();
        if (expressions.Count == 0)
        {
            return (default, found);
        }

        var source = new StringBuilder();
        for (int i = 0; i < expressions.Count; i++)
        {
            source.Append(line(i, expressions[i].Text)).Append('\n');
        }

        ClangResult result = compiler.DumpAst(options, null, source.ToString(), language);
        IEnumerable<AstNode> nodes = AstNode.Read(result.Output).Children
            .SelectMany(node => node.Kind == "EnumDecl" ? node.Children : [node])
            .Where(node => node.Kind == kind && node.Name.StartsWith(Prefix, StringComparison.Ordinal));
        foreach (AstNode node in nodes)
        {
            found[int.Parse(node.Name.AsSpan(Prefix.Length), CultureInfo.InvariantCulture)] = node;
        }

        return (result, found);
    }

    [GeneratedRegex(@"<stdin>:(\d+):\d+: error: (.*)")]
    private static partial Regex ProbeError();
}

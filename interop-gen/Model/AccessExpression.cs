using System.Text.RegularExpressions;

namespace AiOs.InteropGen.Model;

/// <summary>What the lines of one declaration are translated with.</summary>
/// <param name="Scope">Its names.</param>
/// <param name="Constants">C# expressions of the headers' constants.</param>
/// <param name="Functions">The headers' functions.</param>
/// <param name="Location">The declaration, for errors.</param>
/// <param name="Subject">Its name, for errors.</param>
public sealed record AccessContext(
    AccessScope Scope,
    IReadOnlyDictionary<string, string> Constants,
    IReadOnlyDictionary<string, BoundFunction> Functions,
    SourceLocation Location,
    string Subject)
{
    /// <summary>An error about the declaration.</summary>
    public GenerationException Error(string problem) => new(Location, $"'{Subject}': {problem}");
}

/// <summary>
/// Reads the text of a line word by word and translates expressions, which are C with the precedences of C over
/// integers and conditions, to C#.
/// </summary>
public sealed partial class AccessExpression
{
    /// <summary>Binary operators by precedence, the loosest first.</summary>
    private static readonly string[][] s_operators =
        [["||"], ["&&"], ["&"], ["==", "!="], ["<", "<=", ">", ">="], ["+", "-"], ["*", "/"]];

    private readonly AccessContext _context;
    private readonly string[] _words;
    private int _at;

    /// <summary>Starts at the first word.</summary>
    public AccessExpression(AccessContext context, string text)
    {
        _context = context;
        _words = [.. Words().Matches(text).Select(match => match.Value)];
        if (string.Concat(_words) != text.Replace(" ", "", StringComparison.Ordinal))
        {
            throw context.Error($"'{text}' cannot be read");
        }
    }

    /// <summary>The pointers to structures that the expressions since the last <see cref="Restart"/> look into.</summary>
    public List<string> Through { get; } = [];

    /// <summary>Whether all words were read.</summary>
    public bool IsAtEnd => _at == _words.Length;

    /// <summary>Forgets <see cref="Through"/>.</summary>
    public void Restart() => Through.Clear();

    /// <summary>Reads the word if it is next.</summary>
    public bool Take(string word)
    {
        bool isNext = !IsAtEnd && _words[_at] == word;
        _at += isNext ? 1 : 0;
        return isNext;
    }

    /// <summary>Reads a word that must be next.</summary>
    public void Expect(string word)
    {
        if (!Take(word))
        {
            throw _context.Error($"'{word}' is missing {(IsAtEnd ? "at the end" : $"before '{_words[_at]}'")} of '{string.Join(' ', _words)}'");
        }
    }

    /// <summary>Reads a name.</summary>
    public string Name() => !IsAtEnd && (char.IsLetter(_words[_at][0]) || _words[_at][0] == '_')
        ? _words[_at++]
        : throw _context.Error($"a name is missing {(IsAtEnd ? "at the end" : $"before '{_words[_at]}'")} of '{string.Join(' ', _words)}'");

    /// <summary>Reads a name with the field after its point, if any.</summary>
    /// <param name="display">The name as it is written.</param>
    /// <exception cref="GenerationException">Nothing is called so.</exception>
    public AccessName Path(out string display)
    {
        string name = display = Name();
        AccessName? found;
        if (Take("."))
        {
            string field = Name();
            display = $"{name}.{field}";
            found = _context.Scope.Find(name, field);
        }
        else
        {
            found = _context.Scope.Find(name);
        }

        if (found is null)
        {
            throw _context.Error($"there is no '{display}' among its parameters and fields");
        }

        if (found.Through is not null && !Through.Contains(found.Through))
        {
            Through.Add(found.Through);
        }

        return found;
    }

    /// <summary>Reads <c>extents : strides</c> when both are arrays; null when something else follows.</summary>
    public AccessDimension? Arrays()
    {
        int start = _at;
        string? extents = Array();
        if (extents is not null && Take(":") && Array() is { } strides)
        {
            return new AccessDimension(extents, strides);
        }

        _at = start;
        return null;
    }

    private string? Array() =>
        !IsAtEnd && _context.Scope.Find(_words[_at]) is { } found && found.Type.StartsWith("FixedArray", StringComparison.Ordinal)
            ? Path(out _).Code : null;

    /// <summary>Reads an integer expression.</summary>
    public string Integer()
    {
        (string code, bool isCondition) = Binary(0);
        return isCondition ? throw _context.Error($"'{code}' is a condition, not a number") : code;
    }

    /// <summary>Reads a condition; a number is true unless 0.</summary>
    public string Condition() => AsCondition(Binary(0));

    private static string AsCondition((string Code, bool IsCondition) value) => value.IsCondition ? value.Code : $"({value.Code} != 0)";

    private (string Code, bool IsCondition) Binary(int level)
    {
        if (level == s_operators.Length)
        {
            return Unary();
        }

        (string Code, bool IsCondition) left = Binary(level + 1);
        while (!IsAtEnd && s_operators[level].Contains(_words[_at]))
        {
            string word = _words[_at++];
            (string Code, bool IsCondition) right = Binary(level + 1);
            left = word switch
            {
                "||" or "&&" => ($"({AsCondition(left)} {word} {AsCondition(right)})", true),
                _ when left.IsCondition || right.IsCondition => throw _context.Error($"'{word}' is between conditions; it takes numbers"),
                "/" => ($"AccessList.Quotient({left.Code}, {right.Code})", false),
                "==" or "!=" or "<" or "<=" or ">" or ">=" => ($"({left.Code} {word} {right.Code})", true),
                _ => ($"({left.Code} {word} {right.Code})", false),
            };
        }

        return left;
    }

    private (string Code, bool IsCondition) Unary()
    {
        if (Take("!"))
        {
            return ($"!{AsCondition(Unary())}", true);
        }

        if (Take("("))
        {
            (string Code, bool IsCondition) inner = Binary(0);
            Expect(")");
            return inner;
        }

        if (!IsAtEnd && char.IsAsciiDigit(_words[_at][0]))
        {
            return (_words[_at++], false);
        }

        int start = _at;
        string name = Name();
        if (Take("("))
        {
            return (Call(name), false);
        }

        if (_context.Constants.TryGetValue(name, out string? constant))
        {
            return (constant, false);
        }

        _at = start;
        AccessName found = Path(out _);
        string code = found.Code;
        if (Take("["))
        {
            code += $"[(int){Integer()}]";
            Expect("]");
        }

        return (found.Type is "long" or "float" or "double" ? code : $"(long){code}", false);
    }

    private string Call(string name)
    {
        if (!_context.Functions.TryGetValue(name, out BoundFunction? function))
        {
            throw _context.Error($"there is no function '{name}'");
        }

        var arguments = new List<string>();
        do
        {
            AccessName argument = Path(out _);
            arguments.Add(argument.Code);
            if (argument.Type.EndsWith('*'))
            {
                Through.Add(argument.Code);
            }
        }
        while (Take(","));
        Expect(")");
        return arguments.Count == function.Types.Count
            ? $"observer.Kernels.{function.Field}({string.Join(", ", arguments)})"
            : throw _context.Error($"'{name}' has {function.Types.Count} arguments, not {arguments.Count}");
    }

    [GeneratedRegex(@"\|\||&&|[=!<>]=|[A-Za-z_][A-Za-z_0-9]*|[0-9]+|[^\s]")]
    private static partial Regex Words();
}

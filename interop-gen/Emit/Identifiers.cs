namespace AiOs.InteropGen.Emit;

/// <summary>C names as C# identifiers.</summary>
public static class Identifiers
{
    private static readonly HashSet<string> s_keywords =
    [
        "abstract", "as", "base", "bool", "byte", "catch", "char", "checked", "class", "const", "decimal", "delegate",
        "event", "explicit", "false", "finally", "fixed", "foreach", "implicit", "in", "interface", "internal", "is",
        "lock", "namespace", "new", "null", "object", "operator", "out", "override", "params", "private", "protected",
        "public", "readonly", "ref", "sbyte", "sealed", "stackalloc", "string", "this", "throw", "true", "try",
        "typeof", "uint", "ulong", "unchecked", "unsafe", "ushort", "using", "virtual",
    ];

    /// <summary>The name, with an <c>@</c> when C# has a keyword of that name.</summary>
    public static string Escape(string name) => s_keywords.Contains(name) ? "@" + name : name;

    /// <summary>The name with a capital first letter.</summary>
    public static string Capitalize(string name) => char.ToUpperInvariant(name[0]) + name[1..];
}

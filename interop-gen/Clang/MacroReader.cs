using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace AiOs.InteropGen.Clang;

/// <summary>Lists the macros of a header with their places, from the preprocessor's definitions and line markers.</summary>
public static partial class MacroReader
{
    /// <summary>Lists the macros that have a replacement and no parameters, in source order.</summary>
    /// <param name="compiler">The compiler to preprocess with.</param>
    /// <param name="options">The header.</param>
    public static Dictionary<string, MacroDeclaration> Read(ClangCompiler compiler, HeaderOptions options)
    {
        var macros = new Dictionary<string, MacroDeclaration>();
        string file = "";
        int line = 0;
        foreach (string text in Encoding.UTF8.GetString(compiler.DumpMacros(options, options.Header).Output).Split('\n'))
        {
            if (Marker().Match(text) is { Success: true } marker)
            {
                line = int.Parse(marker.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
                file = marker.Groups[2].Value;
                continue;
            }

            if (Undefinition().Match(text) is { Success: true } undefinition)
            {
                macros.Remove(undefinition.Groups[1].Value);
            }
            else if (Definition().Match(text) is { Success: true } definition && !file.StartsWith('<'))
            {
                string name = definition.Groups[1].Value;
                macros.Remove(name);
                if (definition.Groups[2].Value is { Length: > 0 } replacement)
                {
                    macros.Add(name, new MacroDeclaration(name, new SourceLocation(file, line, 0), replacement));
                }
            }

            line++;
        }

        return macros;
    }

    /// <summary>What the preprocessor makes of each macro, where that is a single name.</summary>
    /// <param name="compiler">The compiler to preprocess with.</param>
    /// <param name="options">The header.</param>
    /// <param name="macros">The macros to expand.</param>
    /// <returns>Names by macro, in the macros' order.</returns>
    public static IEnumerable<(MacroDeclaration Macro, string Name)> Expand(
        ClangCompiler compiler, HeaderOptions options, IReadOnlyList<MacroDeclaration> macros)
    {
        string text = string.Concat(macros.Select((macro, i) => $"\n{ProbePrefix}{i} {macro.Name}"));
        string expanded = macros.Count == 0 ? "" : Encoding.UTF8.GetString(compiler.Preprocess(options, text).Output);
        return Probe().Matches(expanded).Select(match => (
            macros[int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture)], match.Groups[2].Value));
    }

    private const string ProbePrefix = "aios_interop_gen_macro_";

    [GeneratedRegex($@"^{ProbePrefix}([0-9]+) (\w+)\s*$", RegexOptions.Multiline)]
    private static partial Regex Probe();

    [GeneratedRegex("^# ([0-9]+) \"([^\"]*)\"")]
    private static partial Regex Marker();

    [GeneratedRegex(@"^#define (\w+)(?: (.*?))?\s*$")]
    private static partial Regex Definition();

    [GeneratedRegex(@"^#undef (\w+)")]
    private static partial Regex Undefinition();
}

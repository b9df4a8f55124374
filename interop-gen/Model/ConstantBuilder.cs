using System.Globalization;
using System.Text.RegularExpressions;
using AiOs.InteropGen.Clang;

namespace AiOs.InteropGen.Model;

/// <summary>Gathers enum constants and macros, lets clang evaluate them, and makes enums and constants of them.</summary>
/// <param name="binding">The binding that is being built.</param>
/// <param name="evaluator">Evaluates expressions over the header.</param>
/// <param name="types">Maps the types of constants.</param>
/// <param name="owns">Whether a declaration stands in the manifest's own header.</param>
public sealed partial class ConstantBuilder(Binding binding, Evaluator evaluator, TypeMapper types, Func<Declaration, bool> owns)
{
    private readonly Manifest _manifest = binding.Manifest;

    /// <summary>Fills the binding's enums and constants.</summary>
    public void Build()
    {
        Dictionary<string, List<Declaration>> grouped = [];
        var loose = new List<Declaration>();
        var bound = types.NeededEnums.Where(e => e.Source is not null).Select(e => e.Source!).ToHashSet();
        EnumGroup[] gathering = [.. _manifest.Enums.Where(g => types.NeededEnums.Any(e => e.Source is null && e.Name == g.Type))];
        IEnumerable<Declaration> candidates = binding.Header.Enums.Where(e => e.Name.Length == 0 && !bound.Contains(e) && owns(e))
            .SelectMany(e => e.Constants).Concat<Declaration>(binding.Header.Macros.Values.Where(m => owns(m) && !IsAlias(m)));
        foreach (Declaration candidate in candidates.OrderBy(c => c.Location.File, StringComparer.Ordinal).ThenBy(c => c.Location.Line).ThenBy(c => c.Location.Offset))
        {
            EnumGroup? group = gathering.Where(g => Gathers(g, candidate.Name)).MaxBy(g => g.Prefix.Length);
            if (group is not null)
            {
                (grouped.TryGetValue(group.Type, out List<Declaration>? list) ? list : grouped[group.Type] = []).Add(candidate);
            }
            else if (_manifest.Selects(_manifest.Constants, candidate.Name))
            {
                loose.Add(candidate);
            }
        }

        BuildEnums([.. types.NeededEnums.Select(needed =>
            (needed, needed.Source?.Constants ?? (IReadOnlyList<Declaration>)grouped.GetValueOrDefault(needed.Name, [])))]);
        BuildLoose(loose);
    }

    private bool Gathers(EnumGroup group, string name) =>
        group.Prefix.Length > 0 && name.StartsWith(group.Prefix, StringComparison.Ordinal)
        && !Manifest.Matches(group.Exclude, name) && !Manifest.Matches(_manifest.Exclude, name);

    private bool IsAlias(MacroDeclaration macro) => binding.Header.AliasMacros.Contains(macro.Name);

    private void BuildEnums(IReadOnlyList<(NeededEnumeration Needed, IReadOnlyList<Declaration> Constants)> enums)
    {
        // One run of clang for all: the size of each enum, followed by its constants.
        IEnumerable<Expression> questions = enums.SelectMany(e => e.Constants.Select(c => new Expression(c.Name, c.Location))
            .Prepend(new Expression($"sizeof({e.Needed.Spelling})", e.Needed.Declaration.Location)));
        ReadOnlySpan<long> values = evaluator.Integers([.. questions]);
        foreach ((NeededEnumeration needed, IReadOnlyList<Declaration> constants) in enums)
        {
            binding.Enums.Add(BuildEnum(needed, constants, values[..(constants.Count + 1)].ToArray()));
            values = values[(constants.Count + 1)..];
        }
    }

    private BoundEnumeration BuildEnum(NeededEnumeration needed, IReadOnlyList<Declaration> constants, long[] values)
    {
        EnumGroup? group = _manifest.Enums.FirstOrDefault(g => g.Type == needed.Name);
        string underlying = needed.Underlying ?? (values[0] == 8, values.Skip(1).All(v => v is >= int.MinValue and <= int.MaxValue)) switch
        {
            (true, _) => "long",
            (false, true) => "int",
            (false, false) => "uint",
        };
        string? prefix = group is { KeepNames: true } || (group is null && !_manifest.ShortMembers) ? null
            : group is { Prefix.Length: > 0 } ? group.Prefix : CommonWords([.. constants.Select(c => c.Name)]);
        IEnumerable<BoundMember> members = constants.Select(
            (c, i) => new BoundMember(MemberName(c.Name, prefix), Narrow(values[i + 1], underlying, c), c));
        return new BoundEnumeration(needed.Name, needed.Spelling, underlying, values[0], needed.Declaration, [.. members], group?.Flags ?? false);
    }

    // A macro such as 0xFFFFFFFF that stands for a 32-bit -1 keeps its bits.
    private static long Narrow(long value, string underlying, Declaration constant) => underlying switch
    {
        "int" when value is >= int.MinValue and <= uint.MaxValue => (int)value,
        "uint" when value is >= int.MinValue and <= uint.MaxValue => (uint)value,
        "byte" when value is >= byte.MinValue and <= byte.MaxValue => value,
        "long" or "ulong" => value,
        _ => throw new GenerationException(constant.Location, $"the value {value} of '{constant.Name}' does not fit its type"),
    };

    private static string MemberName(string constant, string? prefix)
    {
        if (prefix is null || !constant.StartsWith(prefix, StringComparison.Ordinal))
        {
            return constant;
        }

        string name = string.Concat(constant[prefix.Length..].Split('_', StringSplitOptions.RemoveEmptyEntries)
            .Select(word => char.ToUpperInvariant(word[0]) + word[1..].ToLowerInvariant()));
        return name.Length > 0 && char.IsAsciiDigit(name[0]) ? "_" + name : name;
    }

    // What all names begin with, up to the last underscore that leaves something of each.
    private static string CommonWords(string[] names)
    {
        string common = names.Aggregate((a, b) => a[..a.Zip(b).TakeWhile(pair => pair.First == pair.Second).Count()]);
        int shortest = names.Min(name => name.Length);
        return common[..(common[..Math.Min(common.Length, shortest - 1)].LastIndexOf('_') + 1)];
    }

    private void BuildLoose(List<Declaration> constants)
    {
        ExpressionType[] found = evaluator.Types([.. constants.Select(c => new Expression(c.Name, c.Location))]);
        var integers = new Dictionary<Declaration, string>();
        var doubles = new Dictionary<Declaration, string>();
        var texts = new Dictionary<Declaration, string>();
        for (int i = 0; i < constants.Count; i++)
        {
            Declaration constant = constants[i];
            NativeType type = found[i].Type ?? throw new GenerationException(
                constant.Location, $"the macro '{constant.Name}' is no value: {((MacroDeclaration)constant).Replacement}; exclude it in the manifest");
            if (type is CPointer { Target: CName { Name: "char" } } && found[i].Literal is string literal)
            {
                texts.Add(constant, OctalEscape().IsMatch(literal)
                    ? throw new GenerationException(constant.Location, $"the text of '{constant.Name}' holds characters outside ASCII; exclude it in the manifest")
                    : literal);
                continue;
            }

            string mapped = types.Map(type, constant.Location);
            Dictionary<Declaration, string> kind = mapped is "float" or "double" ? doubles : integers;
            kind.Add(constant, mapped switch
            {
                "CLong" or "nint" => "long",
                "CULong" or "nuint" => "ulong",
                _ => mapped,
            });
        }

        long[] bits = evaluator.Integers([.. integers.Keys.Select(c => new Expression(c.Name, c.Location))]);
        double[] numbers = evaluator.Doubles([.. doubles.Keys.Select(c => new Expression(c.Name, c.Location))]);
        IEnumerable<BoundConstant> bound = integers.Select((pair, i) => Integer(pair.Key, pair.Value, bits[i]))
            .Concat(doubles.Select((pair, i) => Double(pair.Key, pair.Value, numbers[i])))
            .Concat(texts.Select(pair => new BoundConstant("string", pair.Value, false, pair.Key)));
        binding.Constants.AddRange(bound.OrderBy(c => constants.IndexOf(c.Declaration)));
    }

    private BoundConstant Integer(Declaration constant, string type, long value)
    {
        string text = type switch
        {
            "byte" or "ushort" or "uint" or "ulong" => ((ulong)value).ToString(CultureInfo.InvariantCulture),
            _ => value.ToString(CultureInfo.InvariantCulture),
        };
        if (binding.Handles.FirstOrDefault(h => h.Declaration.Name == type) is BoundHandle handle)
        {
            return new BoundConstant(type, $"new(unchecked(({handle.Underlying}){text}))", true, constant);
        }

        return type.EndsWith('*') || type.StartsWith("delegate*", StringComparison.Ordinal)
            ? new BoundConstant("nint", $"unchecked((nint){text})", true, constant)
            : new BoundConstant(type, types.NeededEnums.Any(e => e.Name == type) ? $"({type})({text})" : text, false, constant);
    }

    private static BoundConstant Double(Declaration constant, string type, double value) => new(
        type,
        double.IsFinite(value)
            ? type == "float" ? ((float)value).ToString("R", CultureInfo.InvariantCulture) + "f" : value.ToString("R", CultureInfo.InvariantCulture) + "d"
            : $"{type}.{(double.IsNaN(value) ? "NaN" : value > 0 ? "PositiveInfinity" : "NegativeInfinity")}",
        false, constant);

    [GeneratedRegex(@"\\[0-7xuU]")]
    private static partial Regex OctalEscape();
}

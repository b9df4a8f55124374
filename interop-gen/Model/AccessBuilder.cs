using AiOs.InteropGen.Clang;

namespace AiOs.InteropGen.Model;

/// <summary>Finds out from the comments of a header what its functions access.</summary>
/// <param name="binding">The header's functions and structures.</param>
/// <param name="used">Bindings whose constants it may use.</param>
public sealed class AccessBuilder(Binding binding, IReadOnlyList<Binding> used)
{
    private readonly Dictionary<string, BoundStruct> _structs = binding.Structs.ToDictionary(s => s.Name);
    private readonly Dictionary<string, BoundFunction> _functions = binding.Functions.ToDictionary(f => f.Declaration.Name);
    private readonly Dictionary<string, string> _constants = used.Append(binding).SelectMany(b => b.Enums)
        .SelectMany(e => e.Members.Select(m => (m.Declaration.Name, Code: $"(long){e.Name}.{m.Name}"))).ToDictionary(c => c.Name, c => c.Code);

    /// <summary>Whether a function does work on a stream, so that it must say what it accesses.</summary>
    public static bool IsLauncher(Manifest manifest, BoundFunction function) =>
        manifest.AccessStream.Length > 0 && function.Declaration.Parameters is [{ Type: CName type }, ..] && type.Name == manifest.AccessStream;

    /// <summary>What the launchers of the header access, in the order of their comments.</summary>
    /// <exception cref="GenerationException">A launcher does not say, or what it says cannot be understood.</exception>
    public IReadOnlyDictionary<BoundFunction, IReadOnlyList<Access>> Build()
    {
        var result = new Dictionary<BoundFunction, IReadOnlyList<Access>>();
        foreach (BoundFunction function in binding.Functions)
        {
            CommentCommand.Split(function.Declaration.Comment, out IReadOnlyList<CommentCommand> commands);
            if (IsLauncher(binding.Manifest, function))
            {
                result.Add(function, Launcher(function, commands));
            }
            else if (commands.Count > 0)
            {
                throw new GenerationException(
                    function.Declaration.Location, $"'{function.Field}' takes no {binding.Manifest.AccessStream}, so \\{commands[0].Name} says nothing about it");
            }
        }

        return result;
    }

    private IReadOnlyList<Access> Launcher(BoundFunction function, IReadOnlyList<CommentCommand> commands)
    {
        if (commands.Count == 0)
        {
            throw new GenerationException(
                function.Declaration.Location, $"'{function.Field}' does not say what it accesses; add lines such as '\\writes out[n]' and '\\reads a[n]' to its comment");
        }

        var context = new AccessContext(
            AccessScope.Of(function, _structs), _constants, _functions, function.Declaration.Location, function.Field);
        return [.. commands.SelectMany(command => Line(command, context, VerbOf(command, context, false)))];
    }

    private static AccessVerb VerbOf(CommentCommand command, AccessContext context, bool isStructure) => command.Name switch
    {
        "reads" => AccessVerb.Reads,
        "writes" => AccessVerb.Writes,
        "holds" when isStructure => AccessVerb.Holds,
        _ => throw context.Error($"'\\{command.Name}' is not known; lines begin with \\reads or \\writes, in structures also \\holds"),
    };

    private List<Access> Line(CommentCommand command, AccessContext context, AccessVerb verb)
    {
        var reader = new AccessExpression(context, command.Text);
        var accesses = new List<Access>();
        do
        {
            reader.Restart();
            AccessName buffer = reader.Path(out string name);
            BoundStruct? structure = context.Scope.Structure(buffer);
            List<AccessDimension> dimensions = Dimensions(reader, context, out string? rank);
            string size = structure is not null ? $"sizeof({structure.Name})" : reader.Take("of") ? SizeOf(reader.Name(), context, reader) : ElementSize(buffer, name, context, reader);
            string? condition = reader.Take("when") ? reader.Condition() : null;
            string[] requires = [.. reader.Through];
            if (structure is not null && dimensions.Count == 0 && condition is null)
            {
                accesses.AddRange(Fields(structure, verb, buffer.Code, name, context).Select(field => field with { Requires = [buffer.Code] }));
                continue;
            }

            if (!buffer.Type.EndsWith('*') || dimensions.Count == 0)
            {
                throw context.Error($"'{name}' is no buffer with dimensions; write for example {name}[n]");
            }

            accesses.Add(new Access(verb, name, buffer.Code, size, dimensions, rank, condition, requires)
            {
                Rows = structure is null ? [] : Fields(structure, verb, "row", $"{name}[]", context),
                RowType = structure?.Name ?? "",
            });
        }
        while (reader.Take(","));
        if (!reader.IsAtEnd)
        {
            reader.Expect(",");
        }

        return accesses;
    }

    private IReadOnlyList<Access> Fields(BoundStruct structure, AccessVerb verb, string pointer, string name, AccessContext outer)
    {
        CommentCommand.Split(structure.Declaration.Comment, out IReadOnlyList<CommentCommand> commands);
        var context = new AccessContext(
            AccessScope.Of(structure, pointer, _structs), _constants, _functions, structure.Declaration.Location, structure.Name);
        return commands.Count == 0
            ? throw outer.Error($"'{structure.Name}' does not say what it holds; add a line such as '\\holds data[n]' to its comment")
            : [.. commands.SelectMany(command => Line(command, context, VerbOf(command, context, true) is AccessVerb.Holds ? verb : VerbOf(command, context, true)))
                .Select(access => access with { Name = $"{name}.{access.Name}", Requires = [] })];
    }

    private static List<AccessDimension> Dimensions(AccessExpression reader, AccessContext context, out string? rank)
    {
        var dimensions = new List<AccessDimension>();
        rank = null;
        while (reader.Take("["))
        {
            if (reader.Arrays() is { } arrays)
            {
                rank = context.Scope.Find("rank")?.Code ?? throw context.Error("arrays of extents need a field 'rank'");
                dimensions.Add(arrays);
            }
            else
            {
                string extent = reader.Integer();
                dimensions.Add(new AccessDimension(extent, reader.Take(":") ? reader.Integer() : null));
            }

            reader.Expect("]");
        }

        return rank is not null && dimensions.Count > 1 ? throw context.Error("arrays of extents stand alone") : dimensions;
    }

    private static string ElementSize(AccessName buffer, string name, AccessContext context, AccessExpression reader)
    {
        string element = buffer.Type.TrimEnd('*');
        if (element != "void")
        {
            return $"sizeof({element})";
        }

        string own = $"{name[(name.LastIndexOf('.') + 1)..]}_dtype";
        return SizeOf(context.Scope.Find(own) is null ? "dtype" : own, context, reader);
    }

    private static string SizeOf(string type, AccessContext context, AccessExpression reader)
    {
        switch (type)
        {
            case "bytes":
                return "1";
            case "f32":
                return "4";
            case "f16":
                return "2";
            default:
                AccessName? found = context.Scope.Find(type);
                if (found is null || found.Type != "aios_dtype")
                {
                    throw context.Error($"'{type}' is no element type; name one with 'of': bytes, f16, f32, or a parameter or field that is a dtype");
                }

                if (found.Through is not null && !reader.Through.Contains(found.Through))
                {
                    reader.Through.Add(found.Through);
                }

                return $"AccessList.SizeOf({found.Code})";
        }
    }
}

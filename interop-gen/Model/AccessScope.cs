namespace AiOs.InteropGen.Model;

/// <summary>A value that the lines of a function or structure can name.</summary>
/// <param name="Code">Its C# expression.</param>
/// <param name="Type">Its C# type.</param>
/// <param name="Through">The pointer to a structure that it is read through; null for none.</param>
public sealed record AccessName(string Code, string Type, string? Through);

/// <summary>The names that the lines of one function or structure can use.</summary>
public sealed class AccessScope
{
    private readonly IReadOnlyDictionary<string, BoundStruct> _structs;
    private readonly Dictionary<string, AccessName> _names = [];

    private AccessScope(IReadOnlyDictionary<string, BoundStruct> structs) => _structs = structs;

    /// <summary>Parameters, and the fields of the parameter <c>desc</c>.</summary>
    /// <param name="function">The function.</param>
    /// <param name="structs">Structures by their C# names.</param>
    public static AccessScope Of(BoundFunction function, IReadOnlyDictionary<string, BoundStruct> structs)
    {
        var scope = new AccessScope(structs);
        for (int i = 0; i < function.Types.Count; i++)
        {
            string name = function.Declaration.Parameters[i].Name;
            scope._names[name] = new AccessName(Emit.Identifiers.Escape(name), function.Types[i], null);
        }

        if (scope._names.TryGetValue("desc", out AccessName? desc) && scope.Structure(desc) is { } fields)
        {
            scope.AddFields(fields, "desc");
        }

        return scope;
    }

    /// <summary>The fields of a structure.</summary>
    /// <param name="structure">The structure.</param>
    /// <param name="pointer">C# expression of a pointer to it.</param>
    /// <param name="structs">Structures by their C# names.</param>
    public static AccessScope Of(BoundStruct structure, string pointer, IReadOnlyDictionary<string, BoundStruct> structs)
    {
        var scope = new AccessScope(structs);
        scope.AddFields(structure, pointer);
        return scope;
    }

    /// <summary>A name; null when there is none.</summary>
    public AccessName? Find(string name) => _names.GetValueOrDefault(name);

    /// <summary>A field of what a name points to; null when there is none.</summary>
    public AccessName? Find(string name, string field) =>
        Find(name) is { } target && Structure(target)?.Fields.FirstOrDefault(f => f.Declaration.Name == field) is { } found
            ? new AccessName($"{target.Code}->{Emit.Identifiers.Escape(field)}", found.Type, target.Code)
            : null;

    /// <summary>The structure that a value points to; null when it points to none.</summary>
    public BoundStruct? Structure(AccessName name) => name.Type.EndsWith('*') ? _structs.GetValueOrDefault(name.Type[..^1]) : null;

    private void AddFields(BoundStruct structure, string pointer)
    {
        foreach (BoundField field in structure.Fields)
        {
            string name = field.Declaration.Name;
            _names.TryAdd(name, new AccessName($"{pointer}->{Emit.Identifiers.Escape(name)}", field.Type, pointer));
        }
    }
}

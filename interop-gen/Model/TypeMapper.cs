using System.Text.RegularExpressions;
using AiOs.InteropGen.Clang;

namespace AiOs.InteropGen.Model;

/// <summary>An enum that a bound declaration needs; its members are gathered later.</summary>
/// <param name="Name">Name in C#.</param>
/// <param name="Spelling">The type in C.</param>
/// <param name="Declaration">The typedef or enum.</param>
/// <param name="Source">The enum, or null when the group's constants come from elsewhere in the header.</param>
/// <param name="Underlying">C# type of a typedef of an integer; null to choose by the values.</param>
public sealed record NeededEnumeration(string Name, string Spelling, Declaration Declaration, EnumDeclaration? Source, string? Underlying);

/// <summary>Finds the C# type for a C type and adds the types that it needs to the binding.</summary>
/// <param name="binding">The binding that is being built.</param>
/// <param name="used">Bindings whose types may be used.</param>
public sealed partial class TypeMapper(Binding binding, IReadOnlyList<Binding> used)
{
    private static readonly Dictionary<string, string> s_names = new()
    {
        ["void"] = "void",
        ["_Bool"] = "byte",
        ["bool"] = "byte",
        ["char"] = "byte",
        ["signed char"] = "sbyte",
        ["unsigned char"] = "byte",
        ["short"] = "short",
        ["unsigned short"] = "ushort",
        ["int"] = "int",
        ["unsigned int"] = "uint",
        ["long"] = "CLong",
        ["unsigned long"] = "CULong",
        ["long long"] = "long",
        ["unsigned long long"] = "ulong",
        ["float"] = "float",
        ["double"] = "double",
        ["int8_t"] = "sbyte",
        ["uint8_t"] = "byte",
        ["int16_t"] = "short",
        ["uint16_t"] = "ushort",
        ["int32_t"] = "int",
        ["uint32_t"] = "uint",
        ["int64_t"] = "long",
        ["uint64_t"] = "ulong",
        ["size_t"] = "nuint",
        ["uintptr_t"] = "nuint",
        ["intptr_t"] = "nint",
        ["ptrdiff_t"] = "nint",
    };

    /// <summary>The enums found so far.</summary>
    public List<NeededEnumeration> NeededEnums { get; } = [];

    /// <summary>The C# type for a C type.</summary>
    /// <param name="type">The C type.</param>
    /// <param name="location">The declaration that has it.</param>
    /// <param name="inline">The record declared with the field of this type, under the name it gets in C#.</param>
    /// <exception cref="GenerationException">There is no rule for the type.</exception>
    public string Map(NativeType type, SourceLocation location, string? inline = null) => type switch
    {
        CName { Name: HeaderReader.InlineTag } => inline!,
        CName name => MapName(name.Name, location, false),
        CPointer { Target: CName name } when Known(name.Name + " *") is string handle => handle,
        CPointer { Target: CFunction function } => FunctionPointer("", function.Result, function.Parameters, function.IsVariadic, location),
        CPointer { Target: CName name } when name.Name != HeaderReader.InlineTag => MapName(name.Name, location, true) switch
        {
            string mapped when mapped.StartsWith("delegate*", StringComparison.Ordinal) && ResolvesToFunction(name.Name) => mapped,
            string mapped => mapped + "*",
        },
        CPointer pointer => Map(pointer.Target, location, inline) + "*",
        CArray { Length: int length } array => FixedArray(Map(array.Element, location, inline), length),
        CArray => throw new GenerationException(location, "an array of open length is not supported; leave its declaration out of the manifest's subset"),
        _ => throw new GenerationException(location, $"the type '{type}' is not supported; leave its declaration out of the manifest's subset"),
    };

    /// <summary>The C# type of a pointer to a function.</summary>
    public string FunctionPointer(
        string convention, NativeType result, IReadOnlyList<NativeType> parameters, bool isVariadic, SourceLocation location)
    {
        if (isVariadic)
        {
            throw new GenerationException(location, "a variadic function is not supported; leave it out of the manifest's subset");
        }

        IEnumerable<string> types = parameters.Append(result).Select(type => Map(type, location));
        return $"delegate* unmanaged[Cdecl{convention}]<{string.Join(", ", types)}>";
    }

    private bool ResolvesToFunction(string name) =>
        binding.Header.Typedefs.TryGetValue(name, out TypedefDeclaration? typedef)
        && (typedef.Type is CFunction || (typedef.Type is CName next && ResolvesToFunction(next.Name)));

    private string FixedArray(string element, int length)
    {
        if (length == 0)
        {
            throw new GenerationException($"{binding.Manifest.Header}: an array of length 0 is not supported");
        }

        binding.ArrayLengths.Add(length);
        return $"FixedArray{length}<{(element.EndsWith('*') || element.StartsWith("delegate*", StringComparison.Ordinal) ? "nint" : element)}>";
    }

    private string? Known(string name)
    {
        if (s_names.TryGetValue(name, out string? mapped) || binding.TypeNames.TryGetValue(name, out mapped))
        {
            return mapped;
        }

        Binding? other = used.FirstOrDefault(candidate => candidate.TypeNames.ContainsKey(name));
        return other is null || other.Manifest.Namespace == binding.Manifest.Namespace
            ? other?.TypeNames[name]
            : $"global::{other.Manifest.Namespace}.{other.TypeNames[name]}";
    }

    private string MapName(string name, SourceLocation location, bool isPointee)
    {
        if (Known(name) is string known)
        {
            return known;
        }

        if (binding.Header.Typedefs.TryGetValue(name, out TypedefDeclaration? typedef))
        {
            return MapTypedef(typedef, location, isPointee);
        }

        return binding.Header.Tags.TryGetValue(name, out Declaration? tag)
            ? MapTag(name, name, name[(name.IndexOf(' ', StringComparison.Ordinal) + 1)..], tag, tag, location, isPointee)
            : throw new GenerationException(location, $"the type '{name}' is not supported; leave its declaration out of the manifest's subset");
    }

    private string MapTypedef(TypedefDeclaration typedef, SourceLocation location, bool isPointee)
    {
        string name = typedef.Name;
        if (binding.Manifest.Handles.Contains(name))
        {
            string underlying = Resolve(typedef.Type) is CPointer ? "nint" : Map(typedef.Type, location);
            binding.TypeNames[name] = name;
            if (typedef.Type is CPointer { Target: CName target })
            {
                // Another typedef of the same pointer is the same handle.
                binding.TypeNames.TryAdd(target.Name + " *", name);
            }

            binding.Handles.Add(new BoundHandle(typedef, underlying));
            return name;
        }

        if (typedef.Owned is not null && typedef.Type is CName owned)
        {
            string key = typedef.Owned.Name.Length > 0 ? owned.Name : name;
            return MapTag(key, name, name, typedef.Owned, typedef, location, isPointee);
        }

        if (binding.Manifest.Enums.Any(group => group.Type == name))
        {
            string underlying = Map(typedef.Type, location);
            binding.TypeNames[name] = name;
            NeededEnums.Add(new NeededEnumeration(name, name, typedef, null, underlying));
            return name;
        }

        return typedef.Type switch
        {
            CName { Name: HeaderReader.InlineTag } => throw new GenerationException(typedef.Location, $"the type of '{name}' is not supported; name it"),
            CName target => MapName(target.Name, location, isPointee),
            CFunction function when isPointee => FunctionPointer("", function.Result, function.Parameters, function.IsVariadic, typedef.Location),
            _ => Map(typedef.Type, typedef.Location),
        };
    }

    // key: how other declarations name the type; spelling: how C code outside the header can; name: its name in C#.
    private string MapTag(
        string key, string spelling, string name, Declaration tag, Declaration documented, SourceLocation location, bool isPointee)
    {
        if (binding.TypeNames.TryGetValue(key, out string? known))
        {
            return known;
        }

        if (tag.Name.Length > 0 && binding.Header.Tags.TryGetValue(key, out Declaration? complete))
        {
            // A tag that a typedef names takes the typedef's name; the definition may come after the typedef.
            tag = complete;
            TypedefDeclaration? alias = binding.Header.Typedefs.Values.FirstOrDefault(t => t.Owned?.Name == tag.Name && t.Type.ToString() == key);
            (spelling, name, documented) = alias is null ? (spelling, name, documented) : (alias.Name, alias.Name, alias);

            // `typedef foo_v2 foo;` makes foo the name that users write.
            string plain = VersionSuffix().Replace(name, "");
            if (plain != name && binding.Header.Typedefs.TryGetValue(plain, out TypedefDeclaration? current) && current.Type is CName { IsConst: false } target && target.Name == name)
            {
                binding.TypeNames[name] = plain;
                (spelling, name) = (plain, plain);
            }
        }

        documented = tag.Comment.Count > 0 ? tag : documented;
        if (tag is EnumDeclaration declaration)
        {
            binding.TypeNames[key] = binding.TypeNames[name] = name;
            NeededEnums.Add(new NeededEnumeration(name, spelling, documented, declaration, null));
            return name;
        }

        var record = (RecordDeclaration)tag;
        if (record.IsComplete)
        {
            binding.TypeNames[key] = binding.TypeNames[name] = name;
            AddStruct(name, spelling, record, documented);
            return name;
        }

        if (!isPointee || !binding.Manifest.Opaque.Contains(name))
        {
            throw new GenerationException(
                location, $"'{key}' is incomplete: list its typedef under \"handles\", or '{name}' under \"opaque\", in the manifest {binding.Manifest.Name}");
        }

        binding.TypeNames[key] = binding.TypeNames[name] = name;
        binding.Opaques.Add(new BoundOpaque(name, documented));
        return name;
    }

    private void AddStruct(string name, string spelling, RecordDeclaration record, Declaration documented)
    {
        // Where fields overlap or are left out, C# needs every offset.
        var fields = new List<BoundField>();
        bool overlaps = record.Tag == "union";
        AddFields(record);
        binding.Structs.Add(new BoundStruct(name, spelling, documented, fields, overlaps));

        void AddFields(RecordDeclaration source)
        {
            foreach (FieldDeclaration field in source.Fields)
            {
                if (binding.Manifest.OmittedFields.Contains($"{name}.{field.Name}"))
                {
                    binding.OmittedFields.Add($"{name}.{field.Name}");
                    overlaps = true;
                    continue;
                }

                if (field.Bits is not null)
                {
                    throw new GenerationException(field.Location, $"the bit-field '{field.Name}' is not supported; leave '{name}' out of the manifest's subset");
                }

                if (field.Name.Length == 0)
                {
                    overlaps = true;
                    AddFields(field.Inline!);
                    continue;
                }

                string inline = $"{name}_{field.Name}";
                if (field.Inline is not null)
                {
                    string element = field.Name + string.Concat(Enumerable.Repeat("[0]", ArrayDepth(field.Type)));
                    AddStruct(inline, $"__typeof__((({spelling} *)0)->{element})", field.Inline, field);
                }

                fields.Add(new BoundField(field, Map(field.Type, field.Location, inline)));
            }
        }
    }

    private static int ArrayDepth(NativeType type) => type is CArray array ? 1 + ArrayDepth(array.Element) : 0;

    private NativeType Resolve(NativeType type) =>
        type is CName name && binding.Header.Typedefs.TryGetValue(name.Name, out TypedefDeclaration? typedef) ? Resolve(typedef.Type) : type;

    [GeneratedRegex("_v[0-9]+$")]
    private static partial Regex VersionSuffix();
}

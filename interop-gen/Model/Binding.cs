using AiOs.InteropGen.Clang;

namespace AiOs.InteropGen.Model;

/// <summary>A function of the table.</summary>
/// <param name="Field">Name in C#: the name that the header's users write.</param>
/// <param name="Symbol">Name that the library exports.</param>
/// <param name="Declaration">Its prototype.</param>
/// <param name="Types">C# types of its parameters.</param>
/// <param name="Result">C# type of its result.</param>
/// <param name="PointerType">The C# function pointer type.</param>
/// <param name="IsOptional">Whether a library may lack it.</param>
public sealed record BoundFunction(
    string Field, string Symbol, FunctionDeclaration Declaration, IReadOnlyList<string> Types, string Result, string PointerType, bool IsOptional);

/// <summary>A typedef that becomes a struct of one field.</summary>
/// <param name="Declaration">The typedef.</param>
/// <param name="Underlying">C# type of the field.</param>
public sealed record BoundHandle(TypedefDeclaration Declaration, string Underlying)
{
    /// <summary>Size in bytes.</summary>
    public long Size { get; set; }
}

/// <summary>An incomplete struct of which only pointers exist.</summary>
/// <param name="Name">Name in C#.</param>
/// <param name="Declaration">The struct.</param>
public sealed record BoundOpaque(string Name, Declaration Declaration);

/// <summary>A field of a struct; fields of anonymous members are flattened into it.</summary>
/// <param name="Declaration">The field.</param>
/// <param name="Type">C# type.</param>
public sealed record BoundField(FieldDeclaration Declaration, string Type)
{
    /// <summary>Offset in bytes.</summary>
    public long Offset { get; set; }

    /// <summary>Size in bytes.</summary>
    public long Size { get; set; }
}

/// <summary>A struct or union.</summary>
/// <param name="Name">Name in C#.</param>
/// <param name="Spelling">The type in C.</param>
/// <param name="Declaration">Its declaration, with the comment.</param>
/// <param name="Fields">Fields in order.</param>
/// <param name="Overlaps">Whether fields share bytes, so that every one needs its offset.</param>
public sealed record BoundStruct(string Name, string Spelling, Declaration Declaration, IReadOnlyList<BoundField> Fields, bool Overlaps)
{
    /// <summary>Size in bytes.</summary>
    public long Size { get; set; }

    /// <summary>Alignment in bytes that the header asks for.</summary>
    public long NativeAlignment { get; set; }

    /// <summary>Alignment in bytes that C# gives it.</summary>
    public long Alignment { get; set; }

    /// <summary>Whether C#'s sequential layout differs from the header's, so that offsets are written out.</summary>
    public bool IsExplicit { get; set; }
}

/// <summary>A member of an enum.</summary>
/// <param name="Name">Name in C#.</param>
/// <param name="Value">Value.</param>
/// <param name="Declaration">The constant or macro.</param>
public sealed record BoundMember(string Name, long Value, Declaration Declaration);

/// <summary>An enum.</summary>
/// <param name="Name">Name in C#.</param>
/// <param name="Spelling">The type in C.</param>
/// <param name="Underlying">C# type of its values.</param>
/// <param name="Size">Size in C, in bytes.</param>
/// <param name="Declaration">The typedef or enum, with the comment.</param>
/// <param name="Members">Members in order.</param>
/// <param name="IsFlags">Whether members are combined by OR.</param>
public sealed record BoundEnumeration(
    string Name, string Spelling, string Underlying, long Size, Declaration Declaration, IReadOnlyList<BoundMember> Members, bool IsFlags);

/// <summary>A constant that belongs to no enum.</summary>
/// <param name="Type">C# type.</param>
/// <param name="Value">C# expression.</param>
/// <param name="IsComputed">Whether it is a handle or an address, and so cannot be a <c>const</c>.</param>
/// <param name="Declaration">The constant or macro.</param>
public sealed record BoundConstant(string Type, string Value, bool IsComputed, Declaration Declaration);

/// <summary>What is emitted for one header.</summary>
/// <param name="Manifest">Its manifest.</param>
/// <param name="Header">Its declarations.</param>
public sealed record Binding(Manifest Manifest, HeaderReader Header)
{
    /// <summary>The functions in source order.</summary>
    public List<BoundFunction> Functions { get; } = [];

    /// <summary>The handle types.</summary>
    public List<BoundHandle> Handles { get; } = [];

    /// <summary>The opaque types.</summary>
    public List<BoundOpaque> Opaques { get; } = [];

    /// <summary>The structs.</summary>
    public List<BoundStruct> Structs { get; } = [];

    /// <summary>The fields that the manifest leaves out, as far as they exist.</summary>
    public HashSet<string> OmittedFields { get; } = [];

    /// <summary>The enums.</summary>
    public List<BoundEnumeration> Enums { get; set; } = [];

    /// <summary>The constants.</summary>
    public List<BoundConstant> Constants { get; } = [];

    /// <summary>C# names by the C types they stand for: typedef names, tags, and <c>tag *</c> for handles.</summary>
    public Dictionary<string, string> TypeNames { get; } = [];

    /// <summary>Lengths of the fixed arrays in its structs.</summary>
    public SortedSet<int> ArrayLengths { get; } = [];
}

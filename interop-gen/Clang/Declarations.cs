namespace AiOs.InteropGen.Clang;

/// <summary>What every declaration of a header has.</summary>
/// <param name="Name">Name; empty when it has none.</param>
/// <param name="Location">Where it is declared.</param>
/// <param name="Comment">Paragraphs of its documentation comment, each a list of lines; empty when it has none.</param>
public abstract record Declaration(string Name, SourceLocation Location, IReadOnlyList<string[]> Comment);

/// <summary>A parameter of a function.</summary>
/// <param name="Name">Name; empty when the prototype has none.</param>
/// <param name="Type">Type after the adjustment of arrays to pointers.</param>
public readonly record struct ParameterDeclaration(string Name, NativeType Type);

/// <summary>A function prototype.</summary>
public sealed record FunctionDeclaration(
    string Name,
    SourceLocation Location,
    IReadOnlyList<string[]> Comment,
    NativeType Result,
    IReadOnlyList<ParameterDeclaration> Parameters,
    bool IsVariadic,
    bool IsExported) : Declaration(Name, Location, Comment)
{
    /// <summary>The prototype as C source, without the semicolon.</summary>
    public string Prototype(string name) => Result.Spell($"{name}({ParameterList})");

    /// <summary>The parameters as C source.</summary>
    public string ParameterList =>
        Parameters.Count == 0 ? "void" : string.Join(", ", Parameters.Select(p => p.Type.Spell(p.Name)));
}

/// <summary>A field of a record.</summary>
/// <param name="Name">Name; empty for an anonymous struct or union.</param>
/// <param name="Location">Where it is declared.</param>
/// <param name="Comment">Its documentation comment.</param>
/// <param name="Type">Its type; a name of <see cref="HeaderReader.InlineTag"/> stands for <paramref name="Inline"/>.</param>
/// <param name="Inline">The unnamed record that is declared together with the field, if any.</param>
/// <param name="Bits">How many bits it has when it is a bit-field; null otherwise.</param>
public sealed record FieldDeclaration(
    string Name,
    SourceLocation Location,
    IReadOnlyList<string[]> Comment,
    NativeType Type,
    RecordDeclaration? Inline,
    int? Bits) : Declaration(Name, Location, Comment);

/// <summary>A struct or union.</summary>
public sealed record RecordDeclaration(
    string Name,
    SourceLocation Location,
    IReadOnlyList<string[]> Comment,
    string Tag,
    bool IsComplete,
    IReadOnlyList<FieldDeclaration> Fields) : Declaration(Name, Location, Comment);

/// <summary>A constant of an enum.</summary>
public sealed record EnumConstantDeclaration(string Name, SourceLocation Location, IReadOnlyList<string[]> Comment)
    : Declaration(Name, Location, Comment);

/// <summary>An enum.</summary>
public sealed record EnumDeclaration(
    string Name,
    SourceLocation Location,
    IReadOnlyList<string[]> Comment,
    IReadOnlyList<EnumConstantDeclaration> Constants) : Declaration(Name, Location, Comment);

/// <summary>A typedef.</summary>
/// <param name="Name">The new name.</param>
/// <param name="Location">Where it is declared.</param>
/// <param name="Comment">Its documentation comment.</param>
/// <param name="Type">What it stands for.</param>
/// <param name="Owned">The record or enum that is declared inside it, if any.</param>
public sealed record TypedefDeclaration(
    string Name,
    SourceLocation Location,
    IReadOnlyList<string[]> Comment,
    NativeType Type,
    Declaration? Owned) : Declaration(Name, Location, Comment);

/// <summary>A macro without parameters and with a replacement.</summary>
/// <param name="Name">Name.</param>
/// <param name="Location">Where it is defined last.</param>
/// <param name="Replacement">Its replacement as the header spells it.</param>
public sealed record MacroDeclaration(string Name, SourceLocation Location, string Replacement)
    : Declaration(Name, Location, []);

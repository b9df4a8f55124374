using System.Text.Json;
using System.Text.Json.Serialization;

namespace AiOs.InteropGen.Model;

/// <summary>What is bound of one header, and how. Names may end in <c>*</c> to mean a prefix.</summary>
public sealed record Manifest
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        ReadCommentHandling = JsonCommentHandling.Skip,
        RespectRequiredConstructorParameters = true,
    };

    /// <summary>Name of the manifest: its file name without the extension.</summary>
    [JsonIgnore]
    public string Name { get; private init; } = "";

    // Where the toolkit's headers are, with a slash at the end.
    private string Folder { get; init; } = "";

    /// <summary>The header, relative to the root or, in a toolkit, to its folder of headers.</summary>
    public required string Header { get; init; }

    /// <summary>The toolkit that the header belongs to, as <c>cuda-12.4</c>; empty for a header of this repository.</summary>
    public string Toolkit { get; init; } = "";

    /// <summary>Other headers of the same toolkit that are bound with it.</summary>
    public IReadOnlyList<string> More { get; init; } = [];

    /// <summary>Where its includes are found, relative to the root.</summary>
    public IReadOnlyList<string> Include { get; init; } = [];

    /// <summary>Whether it may include headers of the machine's C library.</summary>
    public bool Hosted { get; init; }

    /// <summary>Manifests whose types this one uses.</summary>
    public IReadOnlyList<string> Uses { get; init; } = [];

    /// <summary>Namespace of the C#.</summary>
    public required string Namespace { get; init; }

    /// <summary>Folder of the C#, relative to the root.</summary>
    public required string Output { get; init; }

    /// <summary>Folder of the layout test's C#, relative to the root.</summary>
    public required string LayoutOutput { get; init; }

    /// <summary>Class of the function-pointer table.</summary>
    public required string Table { get; init; }

    /// <summary>What the table is, for its documentation.</summary>
    public required string Summary { get; init; }

    /// <summary>Where the bound part of the header is written as C for those who implement it, or empty.</summary>
    public string NativeHeader { get; init; } = "";

    /// <summary>Class of the constants.</summary>
    public required string ConstantsClass { get; init; }

    /// <summary>File names of the library, the preferred first.</summary>
    public IReadOnlyList<string> Libraries { get; init; } = [];

    /// <summary>Functions that are bound.</summary>
    public IReadOnlyList<string> Functions { get; init; } = [];

    /// <summary>
    /// How the library's symbols are called, with <c>*</c> for the name that users write, where inline functions of the
    /// header stand between the two; empty otherwise. A function without a body that <see cref="Functions"/> names in full is a
    /// symbol itself.
    /// </summary>
    public string Symbols { get; init; } = "";

    /// <summary>Functions that an installed library may lack.</summary>
    public IReadOnlyList<string> Optional { get; init; } = [];

    /// <summary>Functions that always return within a microsecond and never lock.</summary>
    public IReadOnlyList<string> SuppressGCTransition { get; init; } = [];

    /// <summary>Types that are bound even when no bound function names them.</summary>
    public IReadOnlyList<string> Types { get; init; } = [];

    /// <summary>Fields that are left out, as <c>struct.field</c>; their bytes stay where they are.</summary>
    public IReadOnlyList<string> OmittedFields { get; init; } = [];

    /// <summary>Macros and constants of unnamed enums that are bound.</summary>
    public IReadOnlyList<string> Constants { get; init; } = [];

    /// <summary>Names that are left out of everything above.</summary>
    public IReadOnlyList<string> Exclude { get; init; } = [];

    /// <summary>Typedefs of pointers or integers that become a struct of their own.</summary>
    public IReadOnlyList<string> Handles { get; init; } = [];

    /// <summary>Incomplete structs that are used through pointers only.</summary>
    public IReadOnlyList<string> Opaque { get; init; } = [];

    /// <summary>Whether members of enums lose the words that all of them begin with and become PascalCase.</summary>
    public bool ShortMembers { get; init; }

    /// <summary>How constants are gathered into enums.</summary>
    public IReadOnlyList<EnumGroup> Enums { get; init; } = [];

    /// <summary>
    /// Type of the first parameter of the functions that must say in their comments what they access, as in
    /// aios_kernels.h; the table can then be observed. Empty for none.
    /// </summary>
    public string AccessStream { get; init; } = "";

    /// <summary>Address of a function's page at the vendor, with <c>{name}</c>; null to carry over the comments.</summary>
    public string? DocumentationLink { get; init; }

    /// <summary>Reads a manifest.</summary>
    /// <param name="path">Path of the file.</param>
    public static Manifest Load(string path) => LoadAs<Manifest>(path) with { Name = Path.GetFileNameWithoutExtension(path) };

    /// <summary>The manifest with the paths of its toolkit's headers.</summary>
    /// <param name="folder">The folder of headers.</param>
    public Manifest Within(string folder) => this with { Header = Path.Combine(folder, Header), Include = [folder], Folder = folder + "/" };

    /// <summary>Whether a file is one of those that are bound: the header itself, or any of its toolkit.</summary>
    public bool Owns(string file) => Folder.Length > 0 ? file.StartsWith(Folder, StringComparison.Ordinal) : file == Header;

    /// <summary>Whether one of the patterns means the name, and it is not excluded.</summary>
    public bool Selects(IReadOnlyList<string> patterns, string name) => Matches(patterns, name) && !Matches(Exclude, name);

    /// <summary>Whether one of the patterns means the name.</summary>
    public static bool Matches(IReadOnlyList<string> patterns, string name) => patterns.Any(pattern =>
        pattern.EndsWith('*') ? name.StartsWith(pattern[..^1], StringComparison.Ordinal) : name == pattern);

    internal static T LoadAs<T>(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(File.ReadAllBytes(path), s_json)
                ?? throw new GenerationException($"{path}: the manifest is empty");
        }
        catch (JsonException e)
        {
            throw new GenerationException($"{path}: {e.Message.ReplaceLineEndings(" ")}");
        }
    }
}

/// <summary>
/// How an enum of the header looks in C#, or which macros and constants of unnamed enums are gathered into an enum for a
/// typedef of an integer.
/// </summary>
public sealed record EnumGroup
{
    /// <summary>Typedef or tag that the enum is named after.</summary>
    public required string Type { get; init; }

    /// <summary>
    /// What its constants begin with; taken away from the members' names, which become PascalCase. The words that all of
    /// them begin with when it is empty.
    /// </summary>
    public string Prefix { get; init; } = "";

    /// <summary>Constants that begin so and yet do not belong to the enum.</summary>
    public IReadOnlyList<string> Exclude { get; init; } = [];

    /// <summary>Whether members keep the constants' own names.</summary>
    public bool KeepNames { get; init; }

    /// <summary>Whether the members are combined by OR.</summary>
    public bool Flags { get; init; }
}

/// <summary>The libraries of this repository that export functions of its headers, each called a provider.</summary>
public sealed record ProviderManifest
{
    /// <summary>The libraries.</summary>
    public required IReadOnlyList<ProviderLibrary> Libraries { get; init; }

    /// <summary>Folder of the native files that they share, relative to the root.</summary>
    public required string NativeOutput { get; init; }

    /// <summary>Folder of the C#, relative to the root.</summary>
    public required string Output { get; init; }

    /// <summary>Namespace of the C#.</summary>
    public required string Namespace { get; init; }

    /// <summary>Class of the C#.</summary>
    public required string Class { get; init; }

    /// <summary>Manifests of all their headers, in the order of the hash.</summary>
    [JsonIgnore]
    public IEnumerable<string> Headers => Libraries.SelectMany(library => library.Headers).Distinct();

    /// <summary>Reads a manifest of providers.</summary>
    /// <param name="path">Path of the file.</param>
    public static ProviderManifest Load(string path) => Manifest.LoadAs<ProviderManifest>(path);
}

/// <summary>One library of this repository.</summary>
public sealed record ProviderLibrary
{
    /// <summary>Name of the library without <c>lib</c> and extension.</summary>
    public required string Name { get; init; }

    /// <summary>Constant of the C# that holds the name.</summary>
    public required string Constant { get; init; }

    /// <summary>Manifests of the headers it implements.</summary>
    public required IReadOnlyList<string> Headers { get; init; }

    /// <summary>Patterns of functions that it exports besides.</summary>
    public IReadOnlyList<string> Exports { get; init; } = [];

    /// <summary>Path of the linker's version script, relative to the root.</summary>
    public required string ExportMap { get; init; }
}
